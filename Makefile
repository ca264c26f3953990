# The only entry to everything: `make help`.

PYTHON ?= python3
CONTAINER_TOOL ?= docker
IMAGE ?= nuvem:dev

ENVIRONMENT := $(PYTHON) tests/env/env.py

.DEFAULT_GOAL := help
.PHONY: help up down restart kill demo test crds lint bench image

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18
	@echo
	@echo '  NUVEM_REPLICAS=2    replicas of the operator (default 1)'
	@echo '  NUVEM_ARGS="…"      more arguments for the operator'
	@echo '  NUVEM_UPSTREAM=URL  another AWS endpoint behind the fault proxy'
	@echo '  NUVEM_STATE=DIR     another environment beside the first (default .local)'
	@echo '  NUVEM_CACHE=DIR     where built tools are kept (default: the user cache folder)'

up: ## start a local cluster, a local AWS and the operator; then: . .local/env
	@$(ENVIRONMENT) up

down: ## stop all that `make up` started
	@$(ENVIRONMENT) down

restart: ## build and restart the operator only
	@$(ENVIRONMENT) restart

kill: ## kill -9 the operator; it is started again
	@$(ENVIRONMENT) kill

test: ## everything, from a fresh machine to a tested tree
	@$(ENVIRONMENT) test

lint: ## formatting, clippy, the chart
	@$(ENVIRONMENT) lint

crds: ## write crds/ from the Rust types
	@$(ENVIRONMENT) crds

image: ## build the container image
	@$(CONTAINER_TOOL) build --tag $(IMAGE) .

demo: ## watch it work: a story in which each line is checked
	@$(PYTHON) tests/env/demo

bench: ## measure calls, time and memory at a thousand instances
	@$(PYTHON) tests/env/bench
