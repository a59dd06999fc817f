// Tasks run on the threads of the OpenMP runtime that is in the process already, torch's, where there is one.
// After each parallel operator torch's threads stay awake for some ten milliseconds; threads of a second pool
// would share the processors with them: measured on two cores, 100 steps of 1 us took 0.18 ms on torch's
// threads and 1.5 ms on a pool of our own. Nothing is linked: the runtime is looked up by name, and our own
// pool serves where it is absent or would not give enough threads.
#include "runtime/thread_pool.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

namespace unrolled {
namespace {

using Clock = std::chrono::steady_clock;

// A waiting thread first pauses: the one it waits for, if it runs, is a few microseconds behind.
constexpr std::chrono::microseconds kPause{5};
// Then it yields, because the one it waits for may need its processor; otherwise a yield costs a fraction of
// a microsecond. Then it sleeps, and the next call pays 15 to 50 us for waking it: so it stays awake about
// twice as long as that, which is also the time of Python between the calls of a short loop.
constexpr std::chrono::microseconds kYield{100};

void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
}

// Wait until `value` is no longer `old`; whoever changes it calls notify.
template <class T>
void wait_while(std::atomic<T> &value, T old) {
    const auto changed = [&] { return value.load(std::memory_order_acquire) != old; };
    const auto start = Clock::now();
    auto waited = Clock::duration::zero();
    for (; waited < kPause; waited = Clock::now() - start) {
        for (int look = 0; look < 16; ++look) {
            if (changed()) return;
            pause();
        }
    }
    for (; waited < kYield; waited = Clock::now() - start) {
        if (changed()) return;
        sched_yield();
    }
    value.wait(old, std::memory_order_acquire);
}

struct Task {
    void (*body)(void *argument, int thread) = nullptr;
    void *argument = nullptr;
    int threads = 0;
    int processor = -1;  // where the caller ran
};

enum class Job { none, posted };

// Move the calling thread to another processor, once. A system may wake a thread where its waker runs and
// leave it there: two that yield to one another then share one processor while the next is idle (seen for a
// second on a virtual machine: a barrier took 5.8 us instead of 0.2).
void leave_processor(int processor) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    cpu_set_t others = allowed;
    CPU_CLR(processor, &others);
    if (sched_setaffinity(0, sizeof others, &others) == 0) sched_setaffinity(0, sizeof allowed, &allowed);
}

// A thread of the pool and its task. It never ends, so a Worker is never freed.
struct Worker {
    std::atomic<Job> job{Job::none};
    Task task;
    int thread = 0;
    Worker *next = nullptr;  // among the idle workers or those of a task

    void set_job(Job now) {
        job.store(now);  // sequentially consistent: notify looks for sleepers only after it
        job.notify_one();
    }

    void serve() noexcept {
        for (;;) {
            wait_while(job, Job::none);
            if (sched_getcpu() == task.processor) leave_processor(task.processor);
            task.body(task.argument, thread);
            set_job(Job::none);
        }
    }
};

Worker *start_worker() {
    auto worker = std::make_unique<Worker>();
    std::thread(&Worker::serve, worker.get()).detach();
    return worker.release();
}

// Functions of the OpenMP runtime; GCC's and LLVM's both have these names.
struct OpenMP {
    using Parallel = void (*)(void (*)(void *), void *, unsigned threads, unsigned flags);
    using Number = int (*)();
    Parallel parallel = nullptr;
    Number thread = nullptr, threads = nullptr;

    void find() {
        parallel = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
        thread = reinterpret_cast<Number>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"));
        threads = reinterpret_cast<Number>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"));
        if (thread == nullptr || threads == nullptr) parallel = nullptr;
    }
};

// A task on OpenMP's threads, each of which calls run().
struct OpenMPTask {
    const Task &task;
    const OpenMP &openmp;
    bool has_run = false;

    static void run(void *data) {
        auto &[task, openmp, has_run] = *static_cast<OpenMPTask *>(data);
        if (openmp.threads() < task.threads) return;
        const int thread = openmp.thread();
        if (thread == 0) has_run = true;
        if (thread < task.threads) task.body(task.argument, thread);
    }
};

class Pool {
public:
    explicit Pool(bool with_openmp) : has_searched_(!with_openmp) {}

    // Admit callers in the order of their calls, each as soon as its threads have a processor each.
    void enter(int threads) {
        std::unique_lock lock(mutex_);
        const auto ticket = tickets_++;
        turn_.wait(lock,
                   [&] { return ticket == served_ && (running_ == 0 || running_ + threads <= processors_); });
        ++served_;
        running_ += threads;
        if (!has_searched_) openmp_.find();  // at the first call: whoever calls has imported torch
        has_searched_ = true;
        turn_.notify_all();
    }

    void leave(int threads) {
        const std::lock_guard lock(mutex_);
        running_ -= threads;
        turn_.notify_all();
    }

    // Run a task on OpenMP's threads; false where there is no OpenMP or it has fewer threads than the task.
    // It is asked for the number it was set to: asked for fewer, it would end the others.
    bool run_with_openmp(const Task &task) {
        if (openmp_.parallel == nullptr) return false;
        OpenMPTask task_on_openmp{task, openmp_};
        openmp_.parallel(OpenMPTask::run, &task_on_openmp, 0, 0);
        return task_on_openmp.has_run;
    }

    void run_with_workers(const Task &task) {
        Worker *const workers = acquire_workers(task.threads);
        int thread = 1;
        for (Worker *worker = workers; worker != nullptr; worker = worker->next) {
            worker->task = task;
            worker->thread = thread++;
            worker->set_job(Job::posted);
        }
        task.body(task.argument, 0);
        for (Worker *worker = workers; worker != nullptr; worker = worker->next)
            wait_while(worker->job, Job::posted);
        const std::lock_guard lock(mutex_);
        return_workers(workers);
    }

private:
    Worker *acquire_workers(int threads) {
        const std::lock_guard lock(mutex_);
        Worker *workers = nullptr;
        try {
            for (int thread = 1; thread < threads; ++thread) {
                Worker *const worker = idle_ != nullptr ? idle_ : start_worker();
                idle_ = worker->next;
                worker->next = workers;
                workers = worker;
            }
        } catch (const std::exception &error) {
            return_workers(workers);
            throw std::runtime_error("run_threads: the system refused to start one of " +
                                     std::to_string(threads) + " threads (" + error.what() +
                                     "). Ask for fewer threads or raise the limit of processes (ulimit -u).");
        }
        return workers;
    }

    // Restores the order they were acquired in: a worker runs the same share call after call, and finds its
    // weights in its cache.
    void return_workers(Worker *workers) {
        while (workers != nullptr) {
            Worker *const worker = workers;
            workers = worker->next;
            worker->next = idle_;
            idle_ = worker;
        }
    }

    std::mutex mutex_;
    std::condition_variable turn_;
    const int processors_ = static_cast<int>(std::thread::hardware_concurrency());
    int running_ = 0;  // threads of the tasks that run now
    std::uint64_t tickets_ = 0, served_ = 0;
    bool has_searched_;  // whether OpenMP was looked for
    OpenMP openmp_;
    Worker *idle_ = nullptr;
};

// The pool is never destroyed: its threads, and callers in threads that outlive main, use it to the last
// moment of the process. In the child of a fork only the forking thread lives, and the mutex may be locked by
// another: so the child starts a new pool in the same place, without OpenMP, whose runtime would wait for
// ever for the threads of the parent.
alignas(Pool) unsigned char place[sizeof(Pool)];
Pool *pool = nullptr;

void begin_in_child() { pool = new (place) Pool(false); }

[[maybe_unused]] const int registered =
    (pool = new (place) Pool(true), pthread_atfork(nullptr, nullptr, begin_in_child));

struct Admission {
    const int threads;
    explicit Admission(int count) : threads(count) { pool->enter(threads); }
    ~Admission() { pool->leave(threads); }
};

}  // namespace

void run_threads(int threads, void (*body)(void *argument, int thread), void *argument) {
    if (threads <= 1) {
        if (threads == 1) body(argument, 0);
        return;
    }
    const Task task{body, argument, threads, sched_getcpu()};
    const Admission admission(threads);
    if (!pool->run_with_openmp(task)) pool->run_with_workers(task);
}

Barrier::Barrier(int threads) : threads_(threads), arrived_(0), round_(0) {}

void Barrier::wait() {
    const unsigned round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < threads_) {
        wait_while(round_, round);
        return;
    }
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1);  // sequentially consistent: notify looks for sleepers only after it
    round_.notify_all();
}

}  // namespace unrolled
