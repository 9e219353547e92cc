# Flink 2.2 on Java 17 with Python 3.11, Eddy and its jars: JobManager, TaskManagers and whoever submits the job.
#   docker build -f docker/job.Dockerfile -t eddy-job .
ARG FLINK_IMAGE=flink:2.2.1-java17@sha256:140c3909f06cbea741be78fc630e809fae9dadcbfa492a684acf39efbbf68946
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

# --- packages: change seldom, so they come before the sources -------------------------------------------------------
FROM ${PYTHON_IMAGE} AS packages
WORKDIR /opt/eddy/build
COPY requirements.txt requirements-uv.txt pyproject.toml docker/install-packages.sh ./
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN --mount=type=cache,target=/root/.cache/uv sh install-packages.sh job

# --- jars: Maven fetches the connector, javac compiles our own ------------------------------------------------------
FROM packages AS jars
RUN apt-get update \
    && apt-get install -y --no-install-recommends maven openjdk-17-jdk-headless \
    && rm -rf /var/lib/apt/lists/*
COPY eddy eddy
COPY stack stack
COPY flink_job flink_job
ENV EDDY_HOME=/opt/eddy/home
RUN --mount=type=cache,target=/root/.m2 \
    /opt/eddy/venv/bin/python -c 'from eddy.stack.jars import prepare; prepare(("flink",))'

# --- Eddy itself, without the Flink distribution that its packages carry: the image has one, and the jars -------------
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
RUN EDDY_BUILD_WITHOUT_JARS=1 /opt/uv/bin/uv pip install --python /opt/eddy/venv/bin/python --no-deps . \
    && cd /opt/eddy/venv/lib/python3.11/site-packages/pyflink \
    && rm -rf lib opt plugins examples

# --- the image ------------------------------------------------------------------------------------------------------
FROM ${FLINK_IMAGE}
USER 0
# what Python's own modules link to (the base has the rest), and a check that this is the Flink that Eddy is made for
RUN test -n "$(ls /opt/flink/lib/flink-dist-2.2.*.jar)" \
    && apt-get update \
    && apt-get install -y --no-install-recommends libffi8 libsqlite3-0 libreadline8t64 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=packages /usr/local/bin/python3.11 /usr/local/bin/python3.11
COPY --from=packages /usr/local/lib/libpython3.11.so.1.0 /usr/local/lib/libpython3.11.so.1.0
COPY --from=packages /usr/local/lib/python3.11 /usr/local/lib/python3.11
RUN ldconfig
COPY --from=eddy /opt/eddy/venv /opt/eddy/venv
COPY --from=jars /opt/eddy/home/jars/flink/*.jar /opt/flink/lib/
COPY flink_job/main.py /opt/eddy/main.py
# Python functions and checkpoints in S3; parent-first, so that a class that a job brings as well is loaded once
RUN cp /opt/flink/opt/flink-python-2.2.*.jar /opt/flink/lib/ \
    && mkdir -p /opt/flink/plugins/s3 /opt/flink/state \
    && ln -s /opt/flink/lib/flink-python-2.2.*.jar /opt/flink/opt/flink-python.jar \
    && cp /opt/flink/opt/flink-s3-fs-presto-2.2.*.jar /opt/flink/plugins/s3/ \
    && printf '%s\n' 'python.executable: /opt/eddy/venv/bin/python' \
       'python.client.executable: /opt/eddy/venv/bin/python' \
       'classloader.resolve-order: parent-first' >> /opt/flink/conf/config.yaml \
    && cp -r /opt/flink/conf /opt/flink/conf.shipped \
    && chown -R flink:flink /opt/flink/state /opt/flink/conf \
    && /opt/eddy/venv/bin/python -c 'import bz2, ctypes, lzma, sqlite3, ssl, pyflink, eddy.flink_job.job, eddy.flink_job.operators.scoring'
ENV PATH=/opt/eddy/venv/bin:$PATH EDDY_HOME=/opt/flink/state/eddy NUMBA_CACHE_DIR=/tmp/numba
USER 9999
# entry point and command are Flink's: jobmanager, taskmanager, standalone-job
