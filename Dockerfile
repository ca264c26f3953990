# syntax=docker/dockerfile:1

# Debian 12 in both stages: the binary links the builder's glibc and runs with the other's.
FROM rust:1.95-slim-bookworm AS builder
WORKDIR /src
# The image's gcc is all that the dependencies need: aws-lc-sys compiles its C and assembly with it, and on Linux x86_64 and aarch64 brings its bindings along;
# CMake and bindgen are for FIPS, for builds without assembly and for other platforms.
COPY Cargo.toml Cargo.lock ./
COPY src src
# An unchanged dependency is not built again: registry and target folder are caches, so the binary is copied out of the latter. They are locked, as two
# builds at once would want twice the memory of aws-sdk-ec2 (5.5 GB each).
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin nuvem && cp target/release/nuvem /nuvem

# glibc, libgcc, the CA certificates for AWS, the user 65532; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=builder /nuvem /nuvem
# By number: runAsNonRoot cannot judge a name.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/nuvem"]
