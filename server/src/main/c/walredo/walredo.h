/*
 * A WAL redo process out of an unmodified PostgreSQL.
 *
 * The library is preloaded into the postgres binary (LD_PRELOAD), takes over before
 * PostgreSQL's main (start.c), brings up the few parts of a backend that redo needs, locks itself
 * into a sandbox (sandbox.c), and then answers requests from stdin on stdout (protocol.c) by
 * running the resource managers' own redo routines over pages in shared buffers (redo.c).
 *
 * No data directory, no files, no other processes. Errors are fatal: they are written to stderr,
 * the process ends, the parent starts another.
 */
#ifndef WALREDO_H
#define WALREDO_H

#include "postgres.h"

#include "access/xlogrecord.h"
#include "storage/block.h"

#if PG_VERSION_NUM < 150000
#error "PostgreSQL 15 or later is needed: 14 decodes records in another way"
#endif

#if PG_VERSION_NUM >= 160000
#include "storage/relfilelocator.h"
typedef RelFileLocator Relation_id;
#define RELATION_SPC(r) ((r).spcOid)
#define RELATION_DB(r) ((r).dbOid)
#define RELATION_NUMBER(r) ((r).relNumber)
#define BLOCK_RELATION(blk) ((blk)->rlocator)
#define BUFFER_FORK(tag) BufTagGetForkNum(tag)
#else
#include "storage/relfilenode.h"
typedef RelFileNode Relation_id;
#define RELATION_SPC(r) ((r).spcNode)
#define RELATION_DB(r) ((r).dbNode)
#define RELATION_NUMBER(r) ((r).relNode)
#define BLOCK_RELATION(blk) ((blk)->rnode)
#define BUFFER_FORK(tag) ((tag)->forkNum)
#endif

/* A page's address, as the protocol has it. */
typedef struct PageTag
{
	uint32		spc;
	uint32		db;
	uint32		rel;
	uint32		fork;
	uint32		block;
} PageTag;

/* redo.c: one page at a time, in the order begin, [push], apply..., page, end. */
extern void redo_init(void);
extern void redo_begin(const PageTag *tag);
extern void redo_push(const char *page);
extern void redo_apply(XLogRecPtr end_lsn, XLogRecord *record, uint32 length);
extern const char *redo_page(void);
extern void redo_end(void);

/* sandbox.c: from here on only memory, stdin, stdout, stderr and exit. */
extern void sandbox_enter(void);

/* protocol.c: answers requests until the input ends. */
extern void serve(int in, int out) pg_attribute_noreturn();

#endif
