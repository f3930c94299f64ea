/** What each thread of this process holds and spends: the main thread and every worker that was started since. */
import { getHeapStatistics, type HeapInfo } from 'node:v8';
import type { Worker } from 'node:worker_threads';

export interface ThreadUse {
  readonly name: string;
  /** Live and dead objects, what V8 has reserved for them, and array buffers outside [bytes]. */
  readonly heapUsed: number;
  readonly heapTotal: number;
  readonly external: number;
  /** Processor time since its start, without V8's helpers [s]. */
  readonly cpuSeconds: number;
}

export interface ThreadWatch {
  /** Threads that answer within `patience` [ms]; one that hangs in native code is left out. */
  read(patience?: number): Promise<ThreadUse[]>;
  close(): void;
}

const useOf = (name: string, heap: HeapInfo, cpu: { user: number; system: number }): ThreadUse => ({
  name,
  heapUsed: heap.used_heap_size,
  heapTotal: heap.total_heap_size,
  external: heap.external_memory,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
});

/** Hears of workers that are started from now on. */
export function watchThreads(): ThreadWatch {
  const workers = new Set<Worker>();
  const onWorker = (worker: Worker): void => {
    workers.add(worker);
    worker.once('exit', () => workers.delete(worker));
  };
  process.on('worker', onWorker);
  return {
    async read(patience = 500) {
      const late = new Promise<null>((resolve) => setTimeout(resolve, patience, null).unref());
      const asked = Array.from(workers, async (worker): Promise<ThreadUse | null> => {
        try {
          const answer = Promise.all([worker.getHeapStatistics(), worker.cpuUsage()]);
          const found = await Promise.race([answer, late]);
          return found && useOf(worker.threadName ?? '', ...found);
        } catch {
          // It ended meanwhile.
          return null;
        }
      });
      const others = await Promise.all(asked);
      const main = useOf('main', getHeapStatistics(), process.threadCpuUsage());
      return [main, ...others.filter((u) => u !== null)];
    },
    close: () => process.off('worker', onWorker),
  };
}
