# Strata's build: one Makefile, outputs in build/ only. `make help` lists the targets.
#
# A stage is a link set. What stage N links is what stage N-1 links, without the files
# that N retires, with the files that N adds; so for the library, the command-line program
# and the harness alike:
#
#     SET(N) = SET(N-1) - DROP(N) + ADD(N)
#
# Each source is compiled once per flavour, and sees the headers of common/ and of the
# stages up to the one that owns it: an upward #include does not compile. Later stages
# link the same objects.

# ---- the stages, and what each adds and drops ---------------------------------------------

STAGES := 01-wal 02-memtable 03-sstable 04-manifest 05-compaction 06-batches \
    07-snapshots 08-server

# Stage 01 begins with all of common/, the program and the harness; what those gain for a
# later stage is in that stage's ADD, and the libraries for it in LINKS_ADD.
SHELL_SOURCES := $(wildcard common/program/shell*.c)
FLUSH_SOURCES := common/program/flush.c
COMPACT_SOURCES := $(addprefix common/program/,compact.c screen.c)
COPY_SOURCES := common/program/copy.c
ADD_01         := $(wildcard common/*.c stages/01-wal/*.c)
PROGRAM_ADD_01 := $(filter-out $(SHELL_SOURCES) $(FLUSH_SOURCES) $(COMPACT_SOURCES) \
    $(COPY_SOURCES), $(wildcard common/program/*.c))
HARNESS_ADD_01 := $(wildcard harness/*.c)

ADD_02  := $(wildcard stages/02-memtable/*.c)
PROGRAM_ADD_02 := $(SHELL_SOURCES)
LINKS_ADD_02 := -ledit -lxxhash
DROP_02 := $(addprefix stages/01-wal/,store.c scan_store.c sorted_copy.c)

ADD_03  := $(wildcard stages/03-sstable/*.c)
DROP_03 := $(addprefix stages/02-memtable/,store.c)
PROGRAM_ADD_03 := $(FLUSH_SOURCES)
LINKS_ADD_03 := -lsnappy -lzstd -llz4

ADD_04  := $(wildcard stages/04-manifest/*.c)
DROP_04 := $(addprefix stages/03-sstable/,store.c)

ADD_05  := $(wildcard stages/05-compaction/*.c)
DROP_05 := $(addprefix stages/04-manifest/,store.c)
PROGRAM_ADD_05 := $(COMPACT_SOURCES)

ADD_06  := $(wildcard stages/06-batches/*.c)
DROP_06 := $(addprefix stages/05-compaction/,store.c)

ADD_07  := $(wildcard stages/07-snapshots/*.c)
DROP_07 := $(addprefix stages/06-batches/,store.c)
PROGRAM_ADD_07 := $(COPY_SOURCES)

ADD_08  := $(wildcard stages/08-server/*.c)
DROP_08 := $(addprefix stages/07-snapshots/,store.c)
LINKS_ADD_08 := -lmicrohttpd

number = $(firstword $(subst -, ,$1))# 01-wal -> 01
NUMBERS := $(foreach stage,$(STAGES),$(call number,$(stage)))
LAST := $(lastword $(NUMBERS))

define stage_sets # $1 its number, $2 its folder, $3 the number of the stage before
LIBRARY_$1 := $(filter-out $(DROP_$1),$(LIBRARY_$3)) $(ADD_$1)
PROGRAM_$1 := $(filter-out $(PROGRAM_DROP_$1),$(PROGRAM_$3)) $(PROGRAM_ADD_$1)
HARNESS_$1 := $(filter-out $(HARNESS_DROP_$1),$(HARNESS_$3)) $(HARNESS_ADD_$1)
LINKS_$1   := $(LINKS_$3) $(LINKS_ADD_$1)
SEES_$1    := $(SEES_$3) -Istages/$2
before     := $1
endef
$(foreach stage,$(STAGES),\
    $(eval $(call stage_sets,$(call number,$(stage)),$(stage),$(before))))

# harness/counted_memory.c takes the place of this file wherever the harness is linked.
MEMORY := common/memory.c

# The headers that a source may include, by its folder. Fuzz targets see all stages.
includes = -Icommon $(if $(filter harness/% tests/%,$1),-Iharness) \
    $(if $(filter tests/fuzz/%,$1),$(SEES_$(LAST))) \
    $(SEES_$(call number,$(word 2,$(subst /, ,$1))))

# ---- the flavours -----------------------------------------------------------------------
#
# Assertions stay in all of them, release too: a store that has met its own bug must stop
# before it writes that bug down. They are too few and too cheap to be seen in a benchmark.
# In `sim` every atomic is a switch point of the harness's scheduler, so there is no
# program of that flavour. `fuzz` is for the targets of tests/fuzz.

FLAVOURS := release check debug asan tsan sim coverage clang fuzz
OPTIONS_release  := -O2
OPTIONS_check    := -O2 -DFIU_ENABLE
OPTIONS_debug    := -O0 -DFIU_ENABLE
OPTIONS_asan     := -O1 -DFIU_ENABLE -fsanitize=address,undefined \
                    -fno-sanitize-recover=all -fno-omit-frame-pointer
OPTIONS_tsan     := -O1 -DFIU_ENABLE -fsanitize=thread
OPTIONS_sim      := -O2 -DFIU_ENABLE -DSTRATA_SIM
OPTIONS_coverage := -O0 -DFIU_ENABLE --coverage
OPTIONS_clang    := -O2 -DFIU_ENABLE
OPTIONS_fuzz     := -O1 -fsanitize=fuzzer-no-link,address,undefined \
                    -fno-sanitize-recover=all -fno-omit-frame-pointer

ifeq ($(origin CC),default)
CC := gcc
endif
CC_clang := clang
CC_fuzz := clang
compiler = $(or $(CC_$1),$(CC))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
    -Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
    -Wswitch-enum
ifneq ($(filter true,$(CI))$(filter 1,$(WERROR)),)
WARNINGS += -Werror
endif
# Lines and functions are enough for reports; what a debugger wants besides takes a third of
# the time of all compilers.
compile = $(compiler) -std=c11 -D_GNU_SOURCE $(if $(filter debug,$1),-g,-g1) $(OPTIONS_$1) \
    $(WARNINGS) $(CFLAGS)
link = $(compiler) $(filter -fsanitize% --coverage,$(OPTIONS_$1)) $(LDFLAGS)
libraries = $(LINKS_$2) -lisal -lcjson $(if $(filter release,$1),,-lfiu) -lpthread

# ---- from sources to objects, sets, programs and tests -------------------------------------

TESTS := $(patsubst %.c,%,$(wildcard tests/*/test_*.c))
AREAS := $(sort $(foreach test,$(TESTS),$(word 2,$(subst /, ,$(test)))))
SHARED_AREAS := $(filter-out $(NUMBERS:%=%-%),$(AREAS))

objects = $(patsubst %.c,build/$1/%.o,$2)

define flavour_rules # $1 the flavour
build/$1/%.o: %.c build/$1/.command | build/.packages-build
	@mkdir -p $$(@D)
	$(Q)$$(call compile,$1) $$(call includes,$$<) -MMD -MP -c $$< -o $$@

# Remembers how objects were made: other compilers or options make them anew.
build/$1/.command: FORCE $(if $(filter clang,$(call compiler,$1)),| build/.packages-clang)
	@mkdir -p $$(@D)
	@echo '$$(call compile,$1)' | cmp -s - $$@ || echo '$$(call compile,$1)' >$$@
endef

define stage_rules # $1 the flavour, $2 the stage's number
build/$1/strata-$2: $(call objects,$1,$(PROGRAM_$2) $(LIBRARY_$2))
	$(say) LD $$@
	$(Q)$$(call link,$1) -o $$@ $$^ $(call libraries,$1,$2)

# Commands that a stage's store brings along need parts of the program: hence program.a.
build/$1/harness-$2: $(call objects,$1,$(HARNESS_$2) $(filter-out $(MEMORY),$(LIBRARY_$2))) \
        build/$1/$2/program.a
	$(say) LD $$@
	$(Q)$$(call link,$1) -o $$@ $$^ $(call libraries,$1,$2) -lxxhash

build/$1/$2/library.a: $(call objects,$1,$(LIBRARY_$2))
build/$1/$2/program.a: $(call objects,$1,$(PROGRAM_$2))
build/$1/$2/harness.a: $(call objects,$1,$(HARNESS_$2))
build/$1/$2/%.a:
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef

# A test links of a set what it needs: its own objects first, then the harness (and with
# it counted memory, if the test asks for that), then the program and the library.
define test_rule # $1 the flavour, $2 the test, $3 the number of the stage that it runs on
build/$1/$2: build/$1/$2.o $(call objects,$1,$(call helpers,$2)) \
        build/$1/$3/harness.a build/$1/$3/program.a build/$1/$3/library.a
	$(Q)$$(call link,$1) -o $$@ $$(filter %.o,$$^) \
	    -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
	    $(call libraries,$1,$3) -lxxhash -lcmocka $(if $(filter test_leveldb%,$(notdir $2)),-lleveldb) \
	    $(if $(filter test_hiredis%,$(notdir $2)),-lhiredis)
endef

# Other sources in a test's folder are linked into each test of that folder.
helpers = $(filter-out $(dir $1)test_%,$(wildcard $(dir $1)*.c))

# Tests of a stage's folder link that stage; all others the first.
test_stage = $(or $(filter $(NUMBERS),$(call number,$(word 2,$(subst /, ,$1)))),\
    $(firstword $(NUMBERS)))

Q := $(if $(V),,@)
say := @printf '  %-3s %s\n'

.DEFAULT_GOAL := all
$(foreach flavour,$(FLAVOURS),\
    $(eval $(call flavour_rules,$(flavour)))\
    $(foreach number,$(NUMBERS),$(eval $(call stage_rules,$(flavour),$(number))))\
    $(foreach test,$(TESTS),\
        $(eval $(call test_rule,$(flavour),$(test),$(call test_stage,$(test))))))

-include $(shell find build -name '*.d' 2>/dev/null)

# Fuzz targets, and the program that makes the inputs they begin with, link the last stage.
# libFuzzer brings the targets' main function along.
FUZZ_TARGETS := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
fuzz_set = $(addprefix build/fuzz/$(LAST)/,harness.a program.a library.a)
$(FUZZ_TARGETS:%=build/fuzz/tests/fuzz/%): private LDFLAGS += -fsanitize=fuzzer
$(FUZZ_TARGETS:%=build/fuzz/tests/fuzz/%) build/fuzz/tests/fuzz/seeds: \
        %: %.o build/fuzz/tests/fuzz/fuzz.o $(fuzz_set)
	$(say) LD $@
	$(Q)$(call link,fuzz) -o $@ $(filter %.o,$^) \
	    -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
	    $(call libraries,fuzz,$(LAST)) -lxxhash
build/fuzz/seeds: build/fuzz/tests/fuzz/seeds
	@rm -rf $@ && mkdir -p $@ && $< $@ >/dev/null

harnesses = $(NUMBERS:%=build/$1/harness-%)

# Tests of 08-clients need clients, and Redis itself. Debian's redis-tools has its server, under
# the name by which it checks dumps; the package redis-server would start a service.
$(foreach flavour,$(FLAVOURS),$(call objects,$(flavour),$(wildcard tests/08-clients/*.c))): \
    | build/.packages-clients build/redis-server
build/redis-server: | build/.packages-clients
	@ln -sf "$$(command -v redis-check-rdb || command -v redis-server)" $@

# What the harness loads before the program when it makes a system call fail.
build/fail_nth.so: faults/fail_nth.c build/check/.command | build/.packages-build
	$(say) LD $@
	$(Q)$(call compile,check) -fPIC -shared -o $@ $< -lfiu
$(foreach flavour,$(FLAVOURS),$(call harnesses,$(flavour))): | build/fail_nth.so

# The names that people type. The harness is optimised and has its failpoints in.
build/strata-%: build/release/strata-%
	@ln -sf release/$(@F) $@
build/harness-%: build/check/harness-%
	@ln -sf check/$(@F) $@

# What LevelDB itself reads in a directory, for the demo and the notes.
build/leveldb-export: $(call objects,release,harness/leveldb/export.c \
        $(addprefix common/,program/escape.c program/utf8.c buf.c memory.c status.c))
	$(say) LD $@
	$(Q)$(call link,release) -o $@ $^ -lleveldb

# Strata, as the last stage has it, and the databases that it is held against.
BENCH := $(call objects,release,$(wildcard harness/bench/*.c))
bench_set = $(addprefix build/release/$(LAST)/,program.a library.a)
$(BENCH): | build/.packages-bench
build/bench: $(BENCH) $(bench_set)
	$(say) LD $@
	$(Q)$(call link,release) -o $@ $(BENCH) \
	    -Wl,--start-group $(bench_set) -Wl,--end-group \
	    $(call libraries,release,$(LAST)) -lleveldb -lrocksdb -lm

# The servers of Strata and Redis beside each other, and what asks them at a constant rate.
OPEN_LOOP := $(call objects,release,$(wildcard harness/bench-server/*.c) \
    $(addprefix common/,program/output.c histogram.c buf.c memory.c status.c clock.c))
build/open-loop: $(OPEN_LOOP)
	$(say) LD $@
	$(Q)$(call link,release) -o $@ $^

build/.packages-%: .ci/packages .ci/packages.sh
	@mkdir -p build
	@.ci/packages.sh $*
	@touch $@

# ---- targets ----------------------------------------------------------------------------

PREFIX ?= /usr/local
CORES := $(shell nproc)
SECONDS := 60
export CORES
# How much freed memory AddressSanitizer keeps, to notice its use: that of many programs of the
# harness. Its 256 MiB would be touched over and over, and take a quarter of the time.
export ASAN_OPTIONS ?= quarantine_size_mb=16

# Long tests of one thread, or of simulated ones, or of a server with one client: ThreadSanitizer
# has nothing to see there.
UNTHREADED := $(addprefix %/test_,admin_memory backup bad_input block_damage catalog_listing \
    catalog_manifest checkpoint commands commands_memory commands_random commands_threads \
    commit_group compact compact_faults config config_file connection connection_limits \
    differences differential erase erase_crash erase_races event_order expiry expiry_store \
    glob held_replies hiredis host_memory leveldb_after_crash leveldb_first_open \
    leveldb_split linear log log_group manifest_crash merge_iter output picker \
    picker_contents picker_random redis_cli redis_cli_terminal redis_py resp_limits \
    resp_number resp_parser resp_writer scan snapshots socket_faults table_damage \
    table_sweep table_writer timers unnamed upgrade upkeep upkeep_limits upkeep_tables \
    value_filter verify_repair version_reads writer_queue)
tests = $(foreach test,$(filter-out $(if $(filter tsan,$1),$(UNTHREADED)),\
    $(filter $(addprefix tests/,$(addsuffix /%,$2)),$(TESTS))),build/$1/$(test))
quoted = $(patsubst %,'%',$1)
# What runs the tests of a flavour in some areas. Two need a program, which the sim flavour
# has not: `program` that of stage $3, and 08-clients that of its own.
NEED_PROGRAM := program 08-clients
test_program = build/$1/strata-$(or $(filter 08,$(call test_stage,$(2:build/$1/%=%))),$3)
test_runs = $(call quoted,$(call tests,$1,$(filter-out $(NEED_PROGRAM),$2))) \
    $(if $(filter sim,$1),,\
        $(foreach test,$(call tests,$1,$(filter $(NEED_PROGRAM),$2)),\
            'STRATA_PROGRAM=$(call test_program,$1,$(test),$3) $(test)'))
scripts = $(wildcard $(patsubst %,tests/%/test_*.sh,$1))
programs = $(NUMBERS:%=build/$1/strata-%)
fuzz_runs = $(FUZZ_TARGETS:%='tests/fuzz/run.sh build/fuzz % $1')
engine_sources = $(shell find common stages harness tests faults -name '*.[ch]')

all: $(NUMBERS:%=all-%) build/leveldb-export ## the programs and harnesses of all stages: build/strata-NN, build/harness-NN
demo: all | build/.packages-clients ## a walk: write, crash, recover, the harness at work, the server
	@bash harness/demo.sh

# Fixed seeds, so that a red run can be had again. The legs run what is quick in each: all
# tests, and every check of the harness for a moment (`list`). So is the harness of the stages
# that have no part which the last one lacks; check-NN has that in full, too.
FULL := 01 02 03 $(LAST)
BRIEF := $(filter-out $(FULL),$(NUMBERS))
LEGS := asan sim clang tsan
check: $(addprefix run-,release check fuzz) $(LEGS:%=leg-%) all build/bench build/open-loop build/redis-server build/.packages-format ## every test of every stage, and short legs of all the rest
	@tests/run.sh \
	    --seconds 300 $(foreach number,$(FULL),'build/check/harness-$(number) check') \
	    $(foreach number,$(BRIEF),'build/check/harness-$(number) list') \
	    --seconds 120 $(call test_runs,check,$(filter-out program,$(AREAS))) \
	    $(foreach number,$(NUMBERS),$(call test_runs,check,program,$(number))) \
	    $(call quoted,$(call scripts,build $(AREAS))) \
	    $(foreach flavour,$(LEGS),$(call leg,$(flavour))) \
	    $(call fuzz_runs,-runs=20000 -seed=1) \
	    '.ci/tidy.sh --quick --objects build/check' \
	    $(if $(wildcard faults/bugs/*.patch),'faults/zoo.sh --quick') \
	    $(if $(shell grep -ls '^<!-- check -->' notes/*.md README.md),'notes/check.sh')

# A leg has the harness of each store that there is: those of 01 and 02, and the engine with the
# parts that it has last. `make asan` and the like have all. The harness simulates its threads in
# one, where ThreadSanitizer has nothing to see; `sim` has no programs, and tests of common/ no
# scheduler; to a client it is all one who compiled the server. Three that take longest are not
# in legs.
LEG_HARNESSES := 01 02 $(LAST)
NOT_IN_tsan  := harness
NOT_IN_sim   := $(NEED_PROGRAM) common
NOT_IN_clang := 08-clients
leg_areas = $(filter-out $(NOT_IN_$1),$(AREAS))
leg_harnesses = $(if $(filter harness,$(NOT_IN_$1)),,$(LEG_HARNESSES:%=build/$1/harness-%))
NOT_IN_LEGS  := $(addprefix %/test_,event_order leveldb_first_open upgrade)
leg = $(filter-out $(NOT_IN_LEGS:%=%'),$(call test_runs,$1,$(call leg_areas,$1),$(LAST))) \
    $(patsubst %,'% list',$(call leg_harnesses,$1))
leg_needs = $(filter-out $(NOT_IN_LEGS),$(call tests,$1,$(call leg_areas,$1))) $(call leg_harnesses,$1) \
    $(if $(filter $(NEED_PROGRAM),$(call leg_areas,$1)),build/$1/strata-$(LAST))
$(foreach flavour,$(LEGS) coverage,$(eval leg-$(flavour): $(call leg_needs,$(flavour))))

# A simulation is one real thread, so ThreadSanitizer has little to say of the harness and takes
# long to say it: there the checks run for a moment, on two stages.
FULL_asan  := $(FULL)
BRIEF_asan := $(BRIEF)
FULL_sim   := $(FULL)
BRIEF_sim  := $(BRIEF)
BRIEF_tsan := 01 $(LAST)
campaigns = $(foreach number,$(FULL_$1),'build/$1/harness-$(number) check') \
    $(foreach number,$(BRIEF_$1),'build/$1/harness-$(number) list')
asan tsan sim: %: run-% run-release ## all tests and checks in that flavour
	@tests/run.sh --seconds 1800 \
	    $(call campaigns,$*) \
	    --seconds 240 $(call test_runs,$*,$(AREAS),$(LAST))

check-NN: ; @echo 'make check-01, and so on for: $(NUMBERS)' ## tests of common/, the harness, the program and stage NN
crash: $(NUMBERS:%=crash-%) ## power losses on fresh seeds: make crash SECONDS=600 SEED=7
fuzz: run-fuzz ## makes up logs, tables, manifests and requests for their readers: make fuzz SECONDS=600
	@tests/run.sh --seconds $$(($(SECONDS) + 120)) $(call fuzz_runs,-max_total_time=$(SECONDS))
crash-NN: ; @echo 'make crash-01, and so on for: $(NUMBERS)' ## the same for one stage

define stage_targets # $1 its number, $2 its folder
all-$1: build/strata-$1 build/harness-$1
check-$1: all-$1 build/check/strata-$1 $(call tests,check,$(SHARED_AREAS) $(filter $1-%,$(AREAS)))
	@tests/run.sh --seconds 300 'build/check/harness-$1 check' --seconds 120 \
	    $(call test_runs,check,$(SHARED_AREAS) $(filter $1-%,$(AREAS)),$1) \
	    $(call quoted,$(call scripts,$(SHARED_AREAS) $(filter $1-%,$(AREAS))))
crash-$1: all-$1
	build/harness-$1 crash --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
.PHONY: all-$1 check-$1 crash-$1
endef
$(foreach stage,$(STAGES),$(eval $(call stage_targets,$(call number,$(stage)),$(stage))))

# One area alone, while working on it: make check-common.
$(foreach area,$(AREAS),$(eval check-$(area): $(call tests,check,$(area))))
check-program check-08-clients: $(call programs,check) build/fail_nth.so
$(AREAS:%=check-%): check-%:
	@tests/run.sh $(call test_runs,check,$*,$(LAST)) $(call quoted,$(call scripts,$*))

run-fuzz: $(FUZZ_TARGETS:%=build/fuzz/tests/fuzz/%) build/fuzz/seeds

# All that is run in a flavour. In `sim` atomics are switch points of the harness's
# scheduler, which the program does not have.
$(foreach flavour,$(filter-out fuzz,$(FLAVOURS)),$(eval run-$(flavour): \
    $(if $(filter release,$(flavour)),,$(call tests,$(flavour),$(AREAS)) $(call harnesses,$(flavour))) \
    $(if $(filter sim,$(flavour)),,$(call programs,$(flavour)))))

run: build/strata-$(LAST) ## the server on ./data, port 6380: make run ARGS='--appendfsync always'
	build/strata-$(LAST) server --dir data --port 6380 $(ARGS)
zoo: all ## seeds every bug of faults/bugs/ and demands that it is found: make zoo BUG=NAME
	@faults/zoo.sh $(BUG)
bench: build/bench ## Strata beside LevelDB and RocksDB: make bench ARGS='--quick' (ARGS=--help)
	build/bench --dir build $(ARGS)
bench-server: build/open-loop build/strata-$(LAST) build/redis-server ## Strata's server beside Redis: make bench-server ARGS='--quick' (ARGS=--help)
	@harness/bench-server/compare.sh --dir build $(ARGS)
coverage: leg-coverage run-release build/.packages-coverage ## which lines the tests reach
	@find build/coverage -name '*.gcda' -delete
	@tests/run.sh --seconds 300 $(call leg,coverage); code=$$?; \
	lcov -q --capture --directory build/coverage --base-directory . --no-external \
	    --output-file build/coverage/all.info 2>&1 | grep -v '^Subroutine .* redefined'; \
	lcov -q --extract build/coverage/all.info '$(CURDIR)/common/*' '$(CURDIR)/stages/*' \
	    --output-file build/coverage/engine.info && \
	lcov --list build/coverage/engine.info && exit $$code
tidy: run-check build/.packages-format build/.packages-tidy build/.packages-bench ## the house rules: sizes, contracts, layers, layout, bug patterns
	@.ci/tidy.sh --objects build/check && echo 'tidy: nothing to say'
format: build/.packages-format ## lays out all sources as .clang-format says
	@clang-format -i $(engine_sources)
notes-check: all | build/.packages-clients ## runs again what the notes show, and compares
	@notes/check.sh
install: $(call programs,release) ## the programs, the notes and the server's unit under $(DESTDIR)$(PREFIX)
	install -d $(patsubst %,'$(DESTDIR)$(PREFIX)/%',bin share/doc/strata/notes lib/systemd/system)
	install -m 755 $^ '$(DESTDIR)$(PREFIX)/bin'
	install -m 644 README.md '$(DESTDIR)$(PREFIX)/share/doc/strata'
	install -m 644 notes/*.md '$(DESTDIR)$(PREFIX)/share/doc/strata/notes'
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' stages/08-server/strata.service \
	    >'$(DESTDIR)$(PREFIX)/lib/systemd/system/strata.service'
clean: ## removes build/
	rm -rf build
help: ## this list
	@awk -F ':.*## ' '/^[a-zA-Z][a-zA-Z -]*:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables: CC=clang, WERROR=1, V=1 (show commands), CFLAGS, LDFLAGS, PREFIX, DESTDIR'

FORCE:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(CORES)
endif
.PHONY: all demo run check check-NN crash crash-NN fuzz asan tsan sim zoo bench bench-server coverage tidy format \
    notes-check install clean help FORCE $(FLAVOURS:%=run-%) $(AREAS:%=check-%) \
    $(LEGS:%=leg-%) leg-coverage
.SECONDARY:
.DELETE_ON_ERROR:
