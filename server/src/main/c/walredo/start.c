/*
 * Entry: instead of PostgreSQL's main, bring up what redo needs of a backend, and serve.
 *
 * usage: LD_PRELOAD=walredo.so postgres WAL_LOG_HINTS [SHARED_PRELOAD_LIBRARIES]
 *
 * WAL_LOG_HINTS is on or off, as at the origin of the WAL (on if it has data checksums): it decides
 * whether setting a page all-visible moves the page's LSN. SHARED_PRELOAD_LIBRARIES are those that
 * bring custom resource managers.
 */
#include "walredo.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "access/clog.h"
#include "access/commit_ts.h"
#include "access/multixact.h"
#include "access/nbtree.h"
#include "access/subtrans.h"
#include "access/syncscan.h"
#include "access/twophase.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogprefetcher.h"
#include "access/xlogrecovery.h"
#include "access/xlogutils.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/autovacuum.h"
#include "postmaster/bgworker_internals.h"
#include "postmaster/bgwriter.h"
#include "postmaster/pgarch.h"
#include "replication/logicallauncher.h"
#include "replication/origin.h"
#include "replication/slot.h"
#include "replication/walreceiver.h"
#include "replication/walsender.h"
#include "storage/bufmgr.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pg_sema.h"
#include "storage/pg_shmem.h"
#include "storage/pmsignal.h"
#include "storage/predicate.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/procsignal.h"
#include "storage/sinvaladt.h"
#include "storage/spin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

typedef int (*Main) (int argc, char **argv, char **envp);
typedef int (*LibcStart) (Main main, int argc, char **argv, void (*init) (void),
						  void (*fini) (void), void (*rtld_fini) (void), void *stack_end);

/* Exit statuses: what was sent is refused; the process could not start. */
#define REFUSED 4
#define NOT_STARTED 3

static int	redo_main(int argc, char **argv, char **envp);

/* The C library's start routine is given another main; nothing of PostgreSQL has run before. */
int			__libc_start_main(Main main, int argc, char **argv, void (*init) (void),
							  void (*fini) (void), void (*rtld_fini) (void), void *stack_end);

int
__libc_start_main(Main main, int argc, char **argv, void (*init) (void), void (*fini) (void),
				  void (*rtld_fini) (void), void *stack_end)
{
	LibcStart	start = (LibcStart) dlsym(RTLD_NEXT, "__libc_start_main");

	return start(redo_main, argc, argv, init, fini, rtld_fini, stack_end);
}

/* Root becomes nobody, before anything of PostgreSQL runs. */
static void
drop_root(void)
{
	const uid_t nobody = 65534;

	if (geteuid() == 0 &&
		(setgroups(0, NULL) != 0 || setresgid(nobody, nobody, nobody) != 0 ||
		 setresuid(nobody, nobody, nobody) != 0))
		_exit(NOT_STARTED);
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_POSTMASTER, PGC_S_ARGV);
}

static void
configure(const char *wal_log_hints, const char *preload)
{
	InitializeGUCOptions();
	if (atoi(GetConfigOption("server_version_num", false, false)) / 10000 !=
		PG_VERSION_NUM / 10000)
		elog(FATAL, "the library is made for PostgreSQL %d", PG_VERSION_NUM / 10000);
	/* Buffers for one record's pages; no other process takes part. */
	set("shared_buffers", "128");
	set("max_connections", "1");
	set("max_worker_processes", "0");
	set("autovacuum_max_workers", "1");
	set("max_wal_senders", "0");
	set("max_replication_slots", "0");
	set("max_prepared_transactions", "0");
	set("wal_buffers", "8");
	set("wal_log_hints", wal_log_hints);
	set("log_destination", "stderr");
	set("log_line_prefix", "");
	if (preload[0] != '\0')
	{
		set("shared_preload_libraries", preload);
		process_shared_preload_libraries();
	}
}

#if PG_VERSION_NUM < 160000

/*
 * Shared memory that is not shared. The parts are set up one by one, because PostgreSQL's own
 * routine for it would also create System V and dynamic segments, and wants a data directory.
 */
static void
create_shared_memory(void)
{
	int			semaphores;
	Size		size;
	PGShmemHeader *segment;

	size = CalculateShmemSize(&semaphores);
	segment = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (segment == MAP_FAILED)
		elog(FATAL, "no memory for %zu bytes of buffers", size);
	segment->magic = PGShmemMagic;
	segment->creatorPID = getpid();
	segment->totalsize = size;
	segment->freeoffset = MAXALIGN(sizeof(PGShmemHeader));
	InitShmemAccess(segment);
	DataDir = "/";				/* only its inode number is looked at */
	PGReserveSemaphores(semaphores);
	InitShmemAllocation();
	CreateLWLocks();
	InitShmemIndex();
	XLOGShmemInit();
	XLogPrefetchShmemInit();
	XLogRecoveryShmemInit();
	CLOGShmemInit();
	CommitTsShmemInit();
	SUBTRANSShmemInit();
	MultiXactShmemInit();
	InitBufferPool();
	InitLocks();
	InitPredicateLocks();
	InitProcGlobal();
	CreateSharedProcArray();
	CreateSharedBackendStatus();
	TwoPhaseShmemInit();
	BackgroundWorkerShmemInit();
	CreateSharedInvalidationState();
	PMSignalShmemInit();
	ProcSignalShmemInit();
	CheckpointerShmemInit();
	AutoVacuumShmemInit();
	ReplicationSlotsShmemInit();
	ReplicationOriginShmemInit();
	WalSndShmemInit();
	WalRcvShmemInit();
	PgArchShmemInit();
	ApplyLauncherShmemInit();
	SnapMgrInit();
	BTreeShmemInit();
	SyncScanShmemInit();
	StatsShmemInit();
	if (shmem_startup_hook)
		shmem_startup_hook();
}

#else
#error "no set-up of shared memory for this version of PostgreSQL"
#endif

static int
redo_main(int argc, char **argv, char **envp)
{
	static volatile bool serving = false;
	struct rlimit none = {0, 0};
	sigjmp_buf	error;
	int			out;

	if (argc < 2 || argc > 3)
	{
		static const char usage[] = "usage: postgres on|off [preload libraries]\n";

		if (write(2, usage, sizeof(usage) - 1) < 0)
			_exit(NOT_STARTED);
		_exit(2);
	}

	/* Nothing that prints may print into the protocol. */
	out = fcntl(1, F_DUPFD, 3);
	if (out < 0 || dup2(2, 1) < 0)
		_exit(NOT_STARTED);
	drop_root();
	setrlimit(RLIMIT_CORE, &none);

	/* A request with its page and records is to be one read: more room than 64 KiB, if allowed. */
	(void) fcntl(0, F_SETPIPE_SZ, 1 << 20);

	MyProcPid = getpid();
	MemoryContextInit();
	/* The signal mask is not kept: to restore it would be a system call too many. */
	if (sigsetjmp(error, 0) != 0)
	{
		EmitErrorReport();
		_exit(serving ? REFUSED : NOT_STARTED);
	}
	PG_exception_stack = &error;

	InitStandaloneProcess(argv[0]);
	configure(argv[1], argc > 2 ? argv[2] : "");
	InitializeMaxBackends();
	process_shmem_requests();	/* of the preloaded libraries */
	create_shared_memory();
	MyBackendType = B_STARTUP;
	InitAuxiliaryProcess();
	BaseInit();

	/* Never StartupXLOG: this process is in recovery for ever, and can write no WAL. */
	InRecovery = true;
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "walredo");
	RmgrStartup();
	redo_init();
	sandbox_enter();
	serving = true;
	serve(0, out);
}
