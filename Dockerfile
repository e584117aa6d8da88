# tally on Debian 12: built with Swift, run without it.
#   docker build -t tally .
FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libhiredis-dev libmongoc-dev libsqlite3-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# First what seldom changes, so that packages are fetched once.
COPY Package.swift ./
RUN swift package resolve
COPY . .
RUN swift build -c release --static-swift-stdlib --product tally \
    && install -D -s "$(swift build -c release --static-swift-stdlib --show-bin-path)/tally" /out/tally

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libhiredis0.14 libmongoc-1.0-0 libsqlite3-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --home-dir /var/lib/tally --no-create-home tally \
    && install -d -o tally -g tally -m 0700 /var/lib/tally
COPY --from=build /out/tally /usr/bin/tally
USER tally
WORKDIR /var/lib/tally
VOLUME /var/lib/tally
# Inside a container, loopback reaches nobody. Who may count and read is still decided by TRACK_ALLOWED_IPS and
# READ_ALLOWED_IPS.
ENV HOST=0.0.0.0 PORT=8080 DATA_DIR=/var/lib/tally LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["tally", "healthcheck"]
# What is in flight is answered within 5 s, the last flush takes 10 s at most: `docker stop -t 30`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tally"]
CMD ["serve"]
