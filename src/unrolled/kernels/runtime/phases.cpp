// While others want the processors, a thread that waits for another waits until the system lets that one run:
// milliseconds, at every barrier. So here nobody waits for a thread that has not begun: helpers sleep until a
// task is posted, and what no helper has begun the caller runs itself. Nobody yields either: Linux 6.18 takes
// a whole time slice from a thread that yields beside another that wants to run.
#include "runtime/phases.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "runtime/contention.hpp"
#include "runtime/thread_pool.hpp"

namespace unrolled {
namespace {

constexpr int kPauses = 500;  // some microseconds, before a thread that waits sleeps

using Body = void (*)(void *argument, int part, int phase);

// A task whose parts are taken one after another, phase by phase, by the threads that have a processor.
class SharedTask {
public:
    SharedTask(int parts, int phases, Body body, void *argument)
        : parts_(parts), total_(parts * phases), body_(body), argument_(argument) {}

    bool has_parts() const { return n_begun_.load(std::memory_order_relaxed) < total_; }

    // Take parts until all have begun.
    void take_parts() {
        for (int part = n_begun_.load(std::memory_order_relaxed); part < total_;) {
            if (const int first = part - part % parts_; n_ended_.load(std::memory_order_acquire) < first) {
                wait_for(first);
                part = n_begun_.load(std::memory_order_relaxed);
            } else if (n_begun_.compare_exchange_weak(part, part + 1, std::memory_order_relaxed)) {
                body_(argument_, part % parts_, part / parts_);
                n_ended_.fetch_add(1);  // sequentially consistent, as all that sleepers look at
                if (n_sleepers_.load() > 0) futex(FUTEX_WAKE_PRIVATE, kMaxSleepers);
                part = n_begun_.load(std::memory_order_relaxed);
            }
        }
    }

    void wait_for_end() { wait_for(total_); }

private:
    static constexpr int kMaxSleepers = 1 << 30;
    const int parts_, total_;
    const Body body_;
    void *const argument_;
    alignas(64) std::atomic<int> n_begun_{0};  // of the parts of all phases, one after another
    alignas(64) std::atomic<int> n_ended_{0};
    std::atomic<int> n_sleepers_{0};

    void wait_for(int count) {
        for (int pause = 0; pause < kPauses; ++pause) {
            if (n_ended_.load(std::memory_order_acquire) >= count) return;
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#endif
        }
        n_sleepers_.fetch_add(1);
        for (int ended = n_ended_.load(); ended < count; ended = n_ended_.load()) futex(FUTEX_WAIT_PRIVATE, ended);
        n_sleepers_.fetch_sub(1);
    }

    // Not std::atomic's wait, which yields before it sleeps.
    void futex(int operation, int value) { syscall(SYS_futex, &n_ended_, operation, value, nullptr); }
};

// Threads that sleep until there is a task to share. They never end.
class Helpers {
public:
    void run(const std::shared_ptr<SharedTask> &task, int most_helpers) {
        {
            const std::lock_guard lock(mutex_);
            tasks_.push_back(task);
            while (n_helpers_ < std::min(most_helpers, n_other_processors_) && start_helper()) ++n_helpers_;
        }
        posted_.notify_all();
        task->take_parts();
        task->wait_for_end();
        const std::lock_guard lock(mutex_);
        tasks_.erase(std::find(tasks_.begin(), tasks_.end(), task));
    }

private:
    const int n_other_processors_ = static_cast<int>(std::thread::hardware_concurrency()) - 1;
    std::mutex mutex_;
    std::condition_variable posted_;
    std::vector<std::shared_ptr<SharedTask>> tasks_;  // that have not ended
    int n_helpers_ = 0;

    bool start_helper() {
        try {
            std::thread(&Helpers::serve, this).detach();
            return true;
        } catch (const std::system_error &) {  // none to be had: the caller runs all parts
            return false;
        }
    }

    void serve() noexcept {
        for (;;) next_task()->take_parts();
    }

    std::shared_ptr<SharedTask> next_task() {
        std::unique_lock lock(mutex_);
        for (;;) {
            for (const auto &task : tasks_)
                if (task->has_parts()) return task;
            posted_.wait(lock);
        }
    }
};

// Never destroyed, as the thread pool is not and for its reasons; the child of a fork begins anew.
alignas(Helpers) unsigned char place[sizeof(Helpers)];
Helpers *helpers = nullptr;

void begin() { helpers = new (place) Helpers; }

[[maybe_unused]] const int registered = (begin(), pthread_atfork(nullptr, nullptr, begin));

struct ConcurrentTask {
    const int phases;
    const Body body;
    void *const argument;
    Barrier barrier;

    static void run(void *self, int part) {
        auto &task = *static_cast<ConcurrentTask *>(self);
        for (int phase = 0; phase < task.phases; ++phase) {
            if (phase > 0) task.barrier.wait();
            task.body(task.argument, part, phase);
        }
    }
};

}  // namespace

void run_phases(int parts, int phases, bool bodies_wait, Body body, void *argument) {
    if (parts == 1) {
        for (int phase = 0; phase < phases; ++phase) body(argument, 0, phase);
    } else if (bodies_wait || !is_contended()) {
        ConcurrentTask task{phases, body, argument, Barrier(parts)};
        run_threads(parts, ConcurrentTask::run, &task);
    } else if (parts > 1) {
        helpers->run(std::make_shared<SharedTask>(parts, phases, body, argument), parts - 1);
    }
}

}  // namespace unrolled
