/*
 * An extension with a resource manager of its own, for the test that pages it changes are redone by
 * its own code in a redo process. A tape is a table whose pages nobody else reads: pieces of bytes
 * are written behind pd_lower, each shifted by a key and the block's number in the record, so that
 * redo takes all parts of a record: main data, block data, block ids.
 *
 *   tape_write(tape regclass, first int, pages int, key int, piece bytea)
 *
 * is one record over so many pages, which are new if they lie behind the tape's end. Redo with
 * key -1 tries to open a file.
 */
#include "postgres.h"

#include <fcntl.h>

#include "access/relation.h"
#include "access/rmgr.h"
#include "access/xlog_internal.h"
#include "access/xloginsert.h"
#include "access/xlogreader.h"
#include "access/xlogutils.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/rel.h"

PG_MODULE_MAGIC;

#define TAPE_RMGR 200
#define TAPE_WRITE 0x00
#define TAPE_WRITE_NEW 0x10
#define ASTRAY PG_UINT32_MAX
#define PAGES_AT_ONCE (XLR_NORMAL_MAX_BLOCK_ID + 1)

/* More than PostgreSQL has to spare: whoever starts us must have asked how much we want. */
#define SHARED_BYTES (4 << 20)

static shmem_request_hook_type next_request;
static shmem_startup_hook_type next_startup;
static LWLock *lock;
static uint64 *pieces_written;

/* Writes the piece behind what the page holds; both in normal work and in redo. */
static void
append(Page page, uint32 key, const char *piece, Size length)
{
	PageHeader	header = (PageHeader) page;

	for (Size i = 0; i < length; i++)
		page[header->pd_lower + i] = (char) (piece[i] + key);
	header->pd_lower += length;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	(*pieces_written)++;
	LWLockRelease(lock);
}

static void
tape_redo(XLogReaderState *record)
{
	bool		fresh = (XLogRecGetInfo(record) & ~XLR_INFO_MASK) == TAPE_WRITE_NEW;
	uint32		key;

	memcpy(&key, XLogRecGetData(record), sizeof(key));
	for (int id = 0; id <= XLogRecMaxBlockId(record); id++)
	{
		Buffer		buffer;
		XLogRedoAction action = BLK_NEEDS_REDO;

		if (fresh)
			buffer = XLogInitBufferForRedo(record, id);
		else
			action = XLogReadBufferForRedo(record, id, &buffer);
		if (action == BLK_NEEDS_REDO)
		{
			Size		length;
			char	   *piece = XLogRecGetBlockData(record, id, &length);
			Page		page = BufferGetPage(buffer);

			if (fresh)
				PageInit(page, BLCKSZ, 0);
			/* Code that goes astray, which a sandbox is there for. */
			if (key == ASTRAY && open("/etc/passwd", O_RDONLY) >= 0)
				elog(LOG, "redo has opened a file");
			append(page, key + id, piece, length);
			PageSetLSN(page, record->EndRecPtr);
			MarkBufferDirty(buffer);
		}
		if (BufferIsValid(buffer))
			UnlockReleaseBuffer(buffer);
	}
}

static void
tape_desc(StringInfo out, XLogReaderState *record)
{
}

static const char *
tape_identify(uint8 info)
{
	return (info & ~XLR_INFO_MASK) == TAPE_WRITE_NEW ? "WRITE_NEW" : "WRITE";
}

PG_FUNCTION_INFO_V1(tape_write);

Datum
tape_write(PG_FUNCTION_ARGS)
{
	Relation	tape = relation_open(PG_GETARG_OID(0), ExclusiveLock);
	BlockNumber first = PG_GETARG_INT32(1);
	int			pages = PG_GETARG_INT32(2);
	uint32		key = PG_GETARG_INT32(3);
	bytea	   *piece = PG_GETARG_BYTEA_PP(4);
	bool		fresh = first == RelationGetNumberOfBlocks(tape);
	Buffer		buffers[PAGES_AT_ONCE];
	XLogRecPtr	lsn;

	if (pages < 1 || pages > PAGES_AT_ONCE)
		elog(ERROR, "%d pages at once: 1 to %d", pages, PAGES_AT_ONCE);
	for (int i = 0; i < pages; i++)
	{
		buffers[i] = ReadBuffer(tape, fresh ? P_NEW : first + i);
		LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
		if (!fresh && PageGetExactFreeSpace(BufferGetPage(buffers[i])) < VARSIZE_ANY_EXHDR(piece))
			elog(ERROR, "block %u is full", first + i);
	}
	START_CRIT_SECTION();
	XLogBeginInsert();
	for (int i = 0; i < pages; i++)
	{
		Page		page = BufferGetPage(buffers[i]);

		if (fresh)
			PageInit(page, BLCKSZ, 0);
		append(page, key + i, VARDATA_ANY(piece), VARSIZE_ANY_EXHDR(piece));
		MarkBufferDirty(buffers[i]);
		XLogRegisterBuffer(i, buffers[i], REGBUF_STANDARD | (fresh ? REGBUF_WILL_INIT : 0));
		XLogRegisterBufData(i, VARDATA_ANY(piece), VARSIZE_ANY_EXHDR(piece));
	}
	XLogRegisterData((char *) &key, sizeof(key));
	lsn = XLogInsert(TAPE_RMGR, fresh ? TAPE_WRITE_NEW : TAPE_WRITE);
	for (int i = 0; i < pages; i++)
		PageSetLSN(BufferGetPage(buffers[i]), lsn);
	END_CRIT_SECTION();
	for (int i = 0; i < pages; i++)
		UnlockReleaseBuffer(buffers[i]);
	relation_close(tape, ExclusiveLock);
	PG_RETURN_VOID();
}

static void
request_memory(void)
{
	if (next_request)
		next_request();
	RequestAddinShmemSpace(SHARED_BYTES);
	RequestNamedLWLockTranche("tape", 1);
}

static void
set_up_memory(void)
{
	bool		found;

	if (next_startup)
		next_startup();
	pieces_written = ShmemInitStruct("tape", SHARED_BYTES, &found);
	lock = &GetNamedLWLockTranche("tape")->lock;
}

void
_PG_init(void)
{
	static RmgrData rmgr = {
		.rm_name = "tape",
		.rm_redo = tape_redo,
		.rm_desc = tape_desc,
		.rm_identify = tape_identify
	};

	RegisterCustomRmgr(TAPE_RMGR, &rmgr);
	next_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_startup = shmem_startup_hook;
	shmem_startup_hook = set_up_memory;
}
