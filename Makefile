# aiusage: a PostgreSQL extension (PGXS).  `make help` lists what people call.

EXTENSION    = aiusage
EXTVERSION  := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" aiusage.control)
MODULE_big   = aiusage
OBJS         = aiusage.o $(patsubst %.c,%.o,$(sort $(wildcard src/*/*.c)))

# The code of the extension, one piece an area, in dependency order.
# 90_init.sql is generated: the books' pieces wrapped into init().
INSTALL_SQL  = $(sort $(wildcard install/[0-8]*.sql)) install/90_init.sql install/92_init_function.sql install/95_privileges.sql
BOOKS_SQL    = $(sort $(wildcard books/tables/*.sql books/updates/*.sql books/views/*.sql))

# What was released, as it was, and the way from the last release to this tree.
RELEASED    := $(shell ls updates | sort -t. -k1,1n -k2,2n -k3,3n | tail -n 1)
DATA         = $(sort $(wildcard updates/*/aiusage--*.sql))
DATA_built   = aiusage--$(EXTVERSION).sql aiusage--$(RELEASED)--$(EXTVERSION).sql
PG_CPPFLAGS  = -I$(srcdir)/src -DAIUSAGE_VERSION='"$(EXTVERSION)"'
PG_CFLAGS    = -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare

# The two suites share expected/, so names must differ.
REGRESS      = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION    = $(patsubst specs/%.spec,%,$(sort $(wildcard specs/*.spec)))
REGRESS_OPTS   = --temp-instance=./tmp_check_regress --temp-config=aiusage.conf --encoding=UTF8
ISOLATION_OPTS = --temp-instance=./tmp_check_iso --temp-config=aiusage.conf --encoding=UTF8
TAP_TESTS    = 1
# Those of faults take long and need a debugger: bash tools/test.sh faults
# Some run at a time: the longest first.
SLOW_TESTS   = t/090_docs.pl t/050_cron.pl
PROVE_TESTS ?= $(SLOW_TESTS) $(filter-out t/%_fault.pl $(SLOW_TESTS),$(sort $(wildcard t/*.pl)))
# How long a TAP test waits before it gives up; a session's time counts from its start.
export PG_TEST_TIMEOUT_DEFAULT ?= 600
EXTRA_CLEAN  = tmp_check tmp_check_regress tmp_check_iso output_iso results log install/90_init.sql

PG_CONFIG   ?= pg_config
PGXS        := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Debian's PGXS tracks no headers: any header rebuilds everything (seconds).
$(OBJS): $(wildcard src/*/*.h)

install/90_init.sql: tools/make_init.sh $(BOOKS_SQL)
	sh tools/make_init.sh $(BOOKS_SQL) > $@.tmp && mv $@.tmp $@

aiusage--$(EXTVERSION).sql: $(INSTALL_SQL)
	cat $^ > $@.tmp && mv $@.tmp $@

aiusage--$(RELEASED)--$(EXTVERSION).sql: updates/$(RELEASED)/aiusage--$(RELEASED).sql aiusage--$(EXTVERSION).sql tools/make_update.pl tools/sql_statements.pl $(wildcard updates/by_hand.sql)
	perl tools/make_update.pl $(RELEASED) $(EXTVERSION) > $@.tmp && mv $@.tmp $@

# Keeps this version as released and goes on as NEXT: make freeze NEXT=1.2.0
.PHONY: freeze
freeze:
	bash tools/freeze.sh $(NEXT)

# What is released: the commit's tree, as PGXN takes it.
.PHONY: dist
dist:
	git archive --format zip --prefix aiusage-$(EXTVERSION)/ -o aiusage-$(EXTVERSION).zip HEAD
