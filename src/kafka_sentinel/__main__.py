from kafka_sentinel.cli import main

main()
