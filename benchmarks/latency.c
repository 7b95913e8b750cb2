/* A probe in C: sends a record to each partition in every interval, reads it back, and prints the medians.
 *
 * It is linked with the very librdkafka that Sentinel uses, which comes without a header; so what it needs of that is
 * declared here. usage: latency SERVERS TOPIC PARTITIONS INTERVAL_MS SECONDS
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_topic_partition_list_s rd_kafka_topic_partition_list_t;
typedef struct {
  int err;
  rd_kafka_topic_t *rkt;
  int32_t partition;
  void *payload;
  size_t len;
  void *key;
  size_t key_len;
  int64_t offset;
  void *_private;
} rd_kafka_message_t;

enum { PRODUCER, CONSUMER };
enum { MSG_F_COPY = 2, VALUE = 200, MOST = 1000000 };
#define OFFSET_END -1

rd_kafka_conf_t *rd_kafka_conf_new(void);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *, void (*)(rd_kafka_t *, const rd_kafka_message_t *, void *));
rd_kafka_t *rd_kafka_new(int, rd_kafka_conf_t *, char *, size_t);
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *, void *);
int rd_kafka_produce(rd_kafka_topic_t *, int32_t, int, void *, size_t, const void *, size_t, void *);
int rd_kafka_poll(rd_kafka_t *, int);
int rd_kafka_poll_set_consumer(rd_kafka_t *);
rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int);
void *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *, const char *, int32_t);
int rd_kafka_topic_partition_list_set_offset(rd_kafka_topic_partition_list_t *, const char *, int32_t, int64_t);
int rd_kafka_assign(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
rd_kafka_message_t *rd_kafka_consumer_poll(rd_kafka_t *, int);
void rd_kafka_message_destroy(rd_kafka_message_t *);

typedef struct {
  double ms[MOST];
  int count;
} samples_t;

static samples_t acked, seen;
static volatile int warm, ended;

static int64_t now_ns(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void note(samples_t *samples, const rd_kafka_message_t *message) {
  int64_t sent;
  if (message->err || message->len != VALUE || !warm || samples->count == MOST) return;
  memcpy(&sent, message->payload, sizeof sent);
  samples->ms[samples->count++] = (double)(now_ns() - sent) / 1e6;
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
  (void)client, (void)opaque;
  note(&acked, message);
}

static rd_kafka_t *client(int kind, const char *servers) {
  char error[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  const char *producer[][2] = {{"acks", "all"}, {"enable.idempotence", "true"}, {"linger.ms", "0"},
                               {"max.in.flight.requests.per.connection", "1"}};
  const char *consumer[][2] = {{"group.id", "latency"}, {"enable.auto.commit", "false"}, {"fetch.wait.max.ms", "500"}};
  const char *(*pairs)[2] = kind == PRODUCER ? producer : consumer;
  int count = kind == PRODUCER ? 4 : 3;
  if (rd_kafka_conf_set(conf, "bootstrap.servers", servers, error, sizeof error)) goto failed;
  for (int i = 0; i < count; i++)
    if (rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], error, sizeof error)) goto failed;
  if (kind == PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  rd_kafka_t *made = rd_kafka_new(kind, conf, error, sizeof error);
  if (made) return made;
failed:
  fprintf(stderr, "latency: %s\n", error);
  exit(1);
}

static void *reading(void *consumer) {
  while (!ended) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
    if (!message) continue;
    note(&seen, message);
    rd_kafka_message_destroy(message);
  }
  return NULL;
}

static int ascending(const void *one, const void *other) {
  double difference = *(const double *)one - *(const double *)other;
  return (difference > 0) - (difference < 0);
}

static double median(samples_t *samples) {
  qsort(samples->ms, samples->count, sizeof *samples->ms, ascending);
  return samples->count ? samples->ms[samples->count / 2] : -1;
}

int main(int count, char **words) {
  if (count != 6) {
    fprintf(stderr, "usage: latency SERVERS TOPIC PARTITIONS INTERVAL_MS SECONDS\n");
    return 2;
  }
  const char *servers = words[1], *topic = words[2];
  int partitions = atoi(words[3]), interval = atoi(words[4]), seconds = atoi(words[5]);
  rd_kafka_t *producer = client(PRODUCER, servers), *consumer = client(CONSUMER, servers);
  rd_kafka_topic_t *handle = rd_kafka_topic_new(producer, topic, NULL);
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
  for (int32_t partition = 0; partition < partitions; partition++) {
    rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_topic_partition_list_set_offset(list, topic, partition, OFFSET_END);
  }
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_assign(consumer, list);
  pthread_t reader;
  pthread_create(&reader, NULL, reading, consumer);
  int64_t began = now_ns(), due = began;
  char value[VALUE] = {0};
  while (due < began + (int64_t)seconds * 1000000000) {
    warm = due > began + 5000000000; /* connections are made, and the topic is known */
    for (int32_t partition = 0; partition < partitions; partition++) {
      int64_t at = now_ns();
      memcpy(value, &at, sizeof at);
      rd_kafka_produce(handle, partition, MSG_F_COPY, value, VALUE, NULL, 0, NULL);
    }
    due += (int64_t)interval * 1000000;
    while (now_ns() < due) rd_kafka_poll(producer, (int)((due - now_ns()) / 1000000) + 1);
  }
  ended = 1;
  pthread_join(reader, NULL);
  printf("{\"acked\": %.3f, \"read\": %.3f, \"records\": %d}\n", median(&acked), median(&seen), seen.count);
  return 0;
}
