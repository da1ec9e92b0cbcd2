/*
 * Redo of one page: the page is put into shared buffers, every other block that a record refers to
 * gets a stand-in that redo leaves alone, and PostgreSQL's own routine does the rest.
 */
#include "walredo.h"

#include <fcntl.h>

#include "access/rmgr.h"
#include "access/visibilitymap.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "access/xlogutils.h"
#include "catalog/pg_control.h"
#include "common/relpath.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/fd.h"
#include "storage/fsm_internals.h"
#include "storage/smgr.h"
#include "utils/memutils.h"

/* Stand-ins kept for the next record; a record brings at most about 40, and there are 128 buffers. */
#define STAND_INS 120
#define STAND_INS_KEPT 72

/* As many segments as the largest relation has, so that no block is in one that is not open. */
#define SEGMENTS 32768

/* The storage manager's record of an open segment (md.c), of which the header gives only the name. */
typedef struct OpenSegment
{
	File		file;
	BlockNumber number;
} OpenSegment;

typedef struct StandIn
{
	ForkNumber	fork;
	BlockNumber block;
	Buffer		buffer;
} StandIn;

static MemoryContext per_record;
static XLogReaderState *reader;
static DecodedXLogRecord *decoded;
static size_t decoded_room;
static OpenSegment *segments;
static File dev_zero;

/* The page that is being redone. */
static Relation_id relation;
static ForkNumber target_fork;
static BlockNumber target_block;
static Buffer target;
static StandIn stand_ins[STAND_INS];
static int	stand_in_count;

void
redo_init(void)
{
	XLogReaderRoutine none = {0};

	/* If redo reads a page that nobody put there, it asks /dev/zero, and the sandbox ends it. */
	dev_zero = PathNameOpenFile("/dev/zero", O_RDWR | PG_BINARY);
	if (dev_zero < 0)
		elog(FATAL, "could not open /dev/zero: %m");
	segments = palloc(SEGMENTS * sizeof(OpenSegment));
	for (int i = 0; i < SEGMENTS; i++)
	{
		segments[i].file = dev_zero;
		segments[i].number = i;
	}
	reader = XLogReaderAllocate(wal_segment_size, NULL, &none, NULL);
	if (reader == NULL)
		elog(FATAL, "no memory for a WAL reader");
	per_record = AllocSetContextCreate(TopMemoryContext, "one record", ALLOCSET_DEFAULT_SIZES);
}

/* Makes the relation look open, and as long as can be, in every fork: no system call is needed. */
static SMgrRelation
open_relation(void)
{
#if PG_VERSION_NUM >= 170000
	SMgrRelation r = smgropen(relation, INVALID_PROC_NUMBER);
#else
	SMgrRelation r = smgropen(relation, InvalidBackendId);
#endif

	for (int fork = 0; fork <= MAX_FORKNUM; fork++)
	{
		r->smgr_cached_nblocks[fork] = MaxBlockNumber;
		r->md_num_open_segs[fork] = SEGMENTS;
		r->md_seg_fds[fork] = (struct _MdfdVec *) segments;
	}
	return r;
}

/* Puts a page into shared buffers. Not pinned afterwards: a pin would block cleanup locks. */
static Buffer
put(ForkNumber fork, BlockNumber block, const char *page)
{
	Buffer		buffer = ReadBufferWithoutRelcache(relation, fork, block, RBM_ZERO_AND_LOCK, NULL,
												   true);

	if (page != NULL)
		memcpy(BufferGetPage(buffer), page, BLCKSZ);
	else
		memset(BufferGetPage(buffer), 0, BLCKSZ);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	ReleaseBuffer(buffer);
	return buffer;
}

/* Init forks are redone as main forks: redo would write them to disk at once. */
static ForkNumber
fork_in_buffers(ForkNumber fork)
{
	return fork == INIT_FORKNUM ? MAIN_FORKNUM : fork;
}

void
redo_begin(const PageTag *tag)
{
	if (tag->fork > MAX_FORKNUM || tag->block > MaxBlockNumber)
		elog(ERROR, "no such page: fork %u block %u", tag->fork, tag->block);
	RELATION_SPC(relation) = tag->spc;
	RELATION_DB(relation) = tag->db;
	RELATION_NUMBER(relation) = tag->rel;
	target_fork = fork_in_buffers(tag->fork);
	target_block = tag->block;
	stand_in_count = 0;
	open_relation();
	target = put(target_fork, target_block, NULL);
}

void
redo_push(const char *page)
{
	memcpy(BufferGetPage(target), page, BLCKSZ);
}

const char *
redo_page(void)
{
	return BufferGetPage(target);
}

void
redo_end(void)
{
	SMgrRelation r = open_relation();

	DropDatabaseBuffers(RELATION_DB(relation));
	for (int fork = 0; fork <= MAX_FORKNUM; fork++)
	{
		r->md_num_open_segs[fork] = 0;
		r->md_seg_fds[fork] = NULL;
	}
	AtEOXact_SMgr();
}

/*
 * A page that redo takes for newer than any record, and so leaves alone. Made anew for every
 * record: redo may stamp it with an LSN, which would make it older than the next record.
 */
static Buffer
stand_in(ForkNumber fork, BlockNumber block)
{
	int			i = 0;
	PageHeader	header;

	while (i < stand_in_count &&
		   (stand_ins[i].block != block || stand_ins[i].fork != fork))
		i++;
	if (i == stand_in_count)
	{
		if (i == STAND_INS)
			elog(ERROR, "the record refers to too many blocks");
		stand_ins[i].fork = fork;
		stand_ins[i].block = block;
		stand_ins[i].buffer = put(fork, block, NULL);
		stand_in_count++;
	}
	header = (PageHeader) BufferGetPage(stand_ins[i].buffer);
	memset(header, 0, SizeOfPageHeaderData);
	PageXLogRecPtrSet(header->pd_lsn, PG_UINT64_MAX);
	header->pd_lower = SizeOfPageHeaderData;
	header->pd_upper = BLCKSZ;
	header->pd_special = BLCKSZ;
	PageSetPageSizeAndVersion((Page) header, BLCKSZ, PG_PAGE_LAYOUT_VERSION);
	return stand_ins[i].buffer;
}

/* Drops the stand-ins of earlier records before they fill the buffers. */
static void
recycle(void)
{
	PGAlignedBlock page;

	memcpy(page.data, BufferGetPage(target), BLCKSZ);
	DropDatabaseBuffers(RELATION_DB(relation));
	stand_in_count = 0;
	target = put(target_fork, target_block, page.data);
}

/*
 * The free space map page with a heap block's entry. The pages of the map's tree are stored depth
 * first: before the n-th leaf there are the n earlier ones, and at each level above it those parents
 * that have begun by then.
 */
static BlockNumber
fsm_page(BlockNumber heap_block)
{
	BlockNumber leaf = heap_block / SlotsPerFSMPage;

	return leaf + leaf / SlotsPerFSMPage + 1 + leaf / SlotsPerFSMPage / SlotsPerFSMPage + 1;
}

static bool
is_target(ForkNumber fork, BlockNumber block)
{
	return fork == target_fork && block == target_block;
}

/* Heap redo sets bits in the maps of a heap page without naming them in the record. */
static void
put_maps(BlockNumber heap_block)
{
	BlockNumber vm = heap_block / ((BLCKSZ - MAXALIGN(SizeOfPageHeaderData)) * 4);
	BlockNumber fsm = fsm_page(heap_block);

	if (!is_target(VISIBILITYMAP_FORKNUM, vm))
		stand_in(VISIBILITYMAP_FORKNUM, vm);
	if (!is_target(FSM_FORKNUM, fsm))
		stand_in(FSM_FORKNUM, fsm);
}

static void
check_crc(const XLogRecord *record)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, (const char *) record + SizeOfXLogRecord,
				record->xl_tot_len - SizeOfXLogRecord);
	COMP_CRC32C(crc, record, offsetof(XLogRecord, xl_crc));
	FIN_CRC32C(crc);
	if (!EQ_CRC32C(crc, record->xl_crc))
		elog(ERROR, "the record's checksum is wrong");
}

/* Is the record one whose redo does nothing but change the pages that it names? */
static bool
changes_pages_only(const XLogRecord *record)
{
	switch (record->xl_rmid)
	{
		case RM_HEAP2_ID:
		case RM_HEAP_ID:
		case RM_BTREE_ID:
		case RM_HASH_ID:
		case RM_GIN_ID:
		case RM_GIST_ID:
		case RM_SEQ_ID:
		case RM_SPGIST_ID:
		case RM_BRIN_ID:
		case RM_GENERIC_ID:
			return true;
		default:
			return RmgrIdIsCustom(record->xl_rmid) && RmgrIdExists(record->xl_rmid);
	}
}

static bool
is_page_image(const XLogRecord *record)
{
	uint8		info = record->xl_info & ~XLR_INFO_MASK;

	return record->xl_rmid == RM_XLOG_ID && (info == XLOG_FPI || info == XLOG_FPI_FOR_HINT);
}

static void
decode(XLogRecPtr end_lsn, XLogRecord *record)
{
	size_t		room = DecodeXLogRecordRequiredSpace(record->xl_tot_len);
	char	   *message = NULL;

	if (room > decoded_room)
	{
		if (decoded != NULL)
			pfree(decoded);
		decoded = MemoryContextAllocHuge(TopMemoryContext, room * 2);
		decoded_room = room * 2;
	}
	reader->ReadRecPtr = end_lsn - MAXALIGN(record->xl_tot_len);
	reader->EndRecPtr = end_lsn;
	if (!DecodeXLogRecord(reader, decoded, record, reader->ReadRecPtr, &message))
		elog(ERROR, "the record cannot be decoded: %s", message);
	decoded->next_lsn = end_lsn;
	reader->record = decoded;
}

/* Gives every block of the record a buffer. Returns the id of the one that is the target. */
static int
put_blocks(bool heap)
{
	int			found = -1;

	for (int id = 0; id <= decoded->max_block_id; id++)
	{
		DecodedBkpBlock *blk = &decoded->blocks[id];
		Relation_id *r = &BLOCK_RELATION(blk);

		if (!blk->in_use)
			continue;
		if (RELATION_NUMBER(*r) != RELATION_NUMBER(relation) ||
			RELATION_DB(*r) != RELATION_DB(relation) || RELATION_SPC(*r) != RELATION_SPC(relation))
			elog(ERROR, "the record refers to another relation, %u/%u/%u", RELATION_SPC(*r),
				 RELATION_DB(*r), RELATION_NUMBER(*r));
		blk->forknum = fork_in_buffers(blk->forknum);
		if (is_target(blk->forknum, blk->blkno))
		{
			found = id;
			blk->prefetch_buffer = target;
		}
		else
			blk->prefetch_buffer = stand_in(blk->forknum, blk->blkno);
		if (heap && blk->forknum == MAIN_FORKNUM)
			put_maps(blk->blkno);
	}
	return found;
}

/* A page image needs no redo routine: it is restored. */
static void
restore_image(int id, XLogRecPtr end_lsn)
{
	Page		page = BufferGetPage(target);

	if (!XLogRecHasBlockImage(reader, id))
		return;
	if (!RestoreBlockImage(reader, id, page))
		elog(ERROR, "the page image cannot be restored: %s", reader->errormsg_buf);
	if (!PageIsNew(page))
		PageSetLSN(page, end_lsn);
}

void
redo_apply(XLogRecPtr end_lsn, XLogRecord *record, uint32 length)
{
	MemoryContext before = MemoryContextSwitchTo(per_record);
	DecodedBkpBlock *blk;
	BufferTag  *tag;
	int			id;

	if (record->xl_tot_len != length)
		elog(ERROR, "a record of %u bytes in %u", record->xl_tot_len, length);
	check_crc(record);
	if (!is_page_image(record) && !changes_pages_only(record))
		elog(ERROR, "resource manager %u info %02X is not for redo of pages%s", record->xl_rmid,
			 record->xl_info, RmgrIdIsCustom(record->xl_rmid) ? ": no preloaded library brings it" : "");
	decode(end_lsn, record);
	if (stand_in_count > STAND_INS_KEPT)
		recycle();
	id = put_blocks(record->xl_rmid == RM_HEAP_ID || record->xl_rmid == RM_HEAP2_ID);
	if (id < 0)
		elog(ERROR, "the record does not change the page");
	blk = &decoded->blocks[id];
	if (is_page_image(record))
		restore_image(id, end_lsn);
	else
	{
		/* Visibility map pages come into being by their first change. */
		if (PageIsNew(BufferGetPage(target)) && !blk->apply_image &&
			(blk->flags & BKPBLOCK_WILL_INIT) == 0 && target_fork != VISIBILITYMAP_FORKNUM)
			elog(ERROR, "the page is new, and the record does not initialise it");
		GetRmgr(record->xl_rmid).rm_redo(reader);
		tag = &GetBufferDescriptor(target - 1)->tag;
		if (XLogHaveInvalidPages())
			elog(ERROR, "the record refers to a page that is not there");
		if (tag->blockNum != target_block || BUFFER_FORK(tag) != target_fork)
			elog(ERROR, "the page was pushed out of the buffers");
	}
	MemoryContextSwitchTo(before);
	MemoryContextReset(per_record);
}
