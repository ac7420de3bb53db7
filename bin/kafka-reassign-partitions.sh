#!/usr/bin/env bash
script=$(readlink -f "${BASH_SOURCE[0]}") && . "${script%/*}/kafka-run.sh" tool kafka-reassign-partitions "$@"
