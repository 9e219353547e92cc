# Producers, trainer and page: Eddy without Flink and Java.
#   docker build -f docker/services.Dockerfile --build-arg TORCH_INDEX=… -t eddy-services .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

# --- packages: change seldom, so they come before the sources -------------------------------------------------------
FROM ${PYTHON_IMAGE} AS packages
WORKDIR /opt/eddy/build
COPY requirements.txt requirements-uv.txt pyproject.toml docker/install-packages.sh ./
ARG TORCH_INDEX=""
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN --mount=type=cache,target=/root/.cache/uv sh install-packages.sh train dashboard

# --- Eddy itself ----------------------------------------------------------------------------------------------------
FROM packages AS eddy
COPY setup.py eddy_command.py README.md LICENSE ./
# eddy/ holds links to the folders beside it
COPY eddy eddy
COPY models models
COPY flink_job flink_job
COPY training training
COPY producers producers
COPY csv_files csv_files
COPY inputs inputs
COPY dashboard dashboard
COPY stack stack
COPY ops ops
COPY cli cli
RUN EDDY_BUILD_WITHOUT_JARS=1 /opt/uv/bin/uv pip install --target /opt/eddy/site --no-deps .

# --- the image ------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}
RUN useradd --create-home --uid 9998 eddy \
    && mkdir -p /opt/eddy/home \
    && chown eddy:eddy /opt/eddy/home
# packages and sources are layers of their own: a change of Eddy moves the small one only
COPY --from=packages /opt/eddy/venv /opt/eddy/venv
COPY --from=eddy /opt/eddy/site /opt/eddy/site
ENV PATH=/opt/eddy/site/bin:/opt/eddy/venv/bin:$PATH \
    PYTHONPATH=/opt/eddy/site \
    EDDY_HOME=/opt/eddy/home \
    NUMBA_CACHE_DIR=/tmp/numba
USER 9998
WORKDIR /opt/eddy/home
ENTRYPOINT ["/opt/eddy/venv/bin/python", "-m", "eddy.cli"]
CMD ["--help"]
