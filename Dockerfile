# SomaNet on processors: docker run --rm --volume "$PWD:/data" somanet analyze movie.tif --output results
#
# Never built where SomaNet is developed, as no Docker runs there: docs/install.md. The base is named by version; its
# digest could not be read there either. Pin it with `docker buildx imagetools inspect python:3.12-slim-bookworm`.
FROM python:3.12-slim-bookworm AS build

COPY . /source
# PyTorch's builds for processors; the versions that the tests ran with.
RUN python -m venv /opt/somanet \
    && /opt/somanet/bin/pip install --no-cache-dir --disable-pip-version-check \
        --extra-index-url https://download.pytorch.org/whl/cpu --constraint /source/constraints/py3.12.txt \
        "/source[formats]"

FROM python:3.12-slim-bookworm

# Nothing runs as root; /data is the user's folder: --user "$(id -u):$(id -g)" makes results theirs.
RUN useradd --create-home --uid 1000 somanet && mkdir /data && chown somanet /data
COPY --from=build /opt/somanet /opt/somanet
ENV PATH=/opt/somanet/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib \
    MLFLOW_DISABLE_TELEMETRY=true NO_ALBUMENTATIONS_UPDATE=1 DVC_NO_ANALYTICS=1 ORT_DISABLE_TELEMETRY=1
USER somanet
WORKDIR /data
ENTRYPOINT ["somanet"]
CMD ["--help"]
