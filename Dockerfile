# One image for every role; the compose file says which command runs.
FROM python:3.13-slim-trixie AS build
# requirements-extras.lock: with sign-in by a provider, OpenTelemetry and Sentry.
ARG LOCK=requirements.lock
COPY ${LOCK} /build/requirements.lock
# The lock also names the embedded servers of `earshot up`; containers use servers of their own.
RUN python -m venv /opt/earshot \
    && /opt/earshot/bin/pip install --no-cache-dir --require-hashes --requirement /build/requirements.lock --constraint /build/requirements.lock
COPY . /build/earshot
RUN /opt/earshot/bin/pip install --no-cache-dir --no-deps --no-build-isolation /build/earshot

FROM python:3.13-slim-trixie
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin earshot
COPY --from=build /opt/earshot /opt/earshot
ENV PATH=/opt/earshot/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /tmp
CMD ["earshot", "--help"]
