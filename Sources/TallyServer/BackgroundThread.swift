import NIOPosix
import TallyCore

/// One thread of low priority for what may take its time: tasks that prefer it run on it, and nowhere beside the loops
/// that take counts with the same right to a processor. Reading and sorting a large batch takes a tenth of a second;
/// on a busy machine counts would wait for it, a few milliseconds at a time.
final class BackgroundThread: TaskExecutor {
    private let pool: NIOThreadPool

    init() {
        self.pool = NIOThreadPool(numberOfThreads: 1)
        self.pool.start()
        self.pool.submit { _ in BackgroundPriority.takeForThisThread() }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        // Whatever the pool says: a task whose job is dropped would never end.
        self.pool.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
