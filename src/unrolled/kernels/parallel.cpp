#include "parallel.hpp"

#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

namespace unrolled {
namespace {

using Clock = std::chrono::steady_clock;

// A thread that waits first pauses: the one it waits for, if it runs, is a few microseconds behind.
constexpr std::chrono::microseconds kPause{5};
// Then it yields, because the one it waits for may stand in its place; with nobody there a yield costs
// a fraction of a microsecond. Then it sleeps, and a waking costs tens of microseconds: so it stays awake
// about as long as that, and for what Python does between the calls of a loop over short calls.
constexpr std::chrono::microseconds kYield{100};

void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
}

// Return once `value` is no longer `old`; whoever changes it calls notify.
template <class T> void wait_while(std::atomic<T> &value, T old) {
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

enum class Job { none, posted };

// A thread of the pool and what it is to run. It never ends, so that a Worker is never freed.
struct Worker {
    std::atomic<Job> job{Job::none};
    void (*body)(void *argument, int member) = nullptr;
    void *argument = nullptr;
    int member = 0;
    Worker *next = nullptr;  // in the pool's list or in a team

    void set_job(Job now) {
        job.store(now);  // sequentially consistent: notify looks for sleepers only after it
        job.notify_one();
    }

    void serve() noexcept {
        for (;;) {
            wait_while(job, Job::none);
            body(argument, member);
            set_job(Job::none);
        }
    }
};

class Pool {
public:
    // members - 1 workers in a list. Waits its turn while they would not have a processor each.
    Worker *take(int members) {
        std::unique_lock lock(mutex_);
        const auto ticket = tickets_++;
        turn_.wait(lock, [&] {
            return ticket == served_ && (running_ == 0 || running_ + members <= processors_);
        });
        ++served_;
        running_ += members;
        Worker *team = nullptr;
        try {
            for (int member = 1; member < members; ++member) {
                Worker *worker = idle_ ? idle_ : started();
                idle_ = worker->next;
                worker->next = team;
                team = worker;
            }
        } catch (const std::exception &error) {
            give_back_locked(team, members);
            throw std::runtime_error("run_team: the system refused to start one of " + std::to_string(members) +
                                     " threads (" + error.what() +
                                     "). Ask for fewer threads or raise the limit of processes (ulimit -u).");
        }
        turn_.notify_all();
        return team;
    }

    void give_back(Worker *team, int members) {
        const std::lock_guard lock(mutex_);
        give_back_locked(team, members);
    }

private:
    // Puts the list into the order it was taken in: a worker runs the same member call after call, and
    // finds that member's share of the weights in its cache.
    void give_back_locked(Worker *team, int members) {
        while (team != nullptr) {
            Worker *worker = team;
            team = worker->next;
            worker->next = idle_;
            idle_ = worker;
        }
        running_ -= members;
        turn_.notify_all();
    }

    static Worker *started() {
        auto worker = std::make_unique<Worker>();
        std::thread(&Worker::serve, worker.get()).detach();
        return worker.release();
    }

    std::mutex mutex_;
    std::condition_variable turn_;
    const int processors_ = static_cast<int>(std::thread::hardware_concurrency());
    int running_ = 0;  // members of the teams that run now
    Worker *idle_ = nullptr;
    std::uint64_t tickets_ = 0, served_ = 0;  // callers go in the order they came
};

// The pool is never destroyed: its threads, and callers in threads that outlive main, use it to the
// last moment of the process. In the child of a fork there are no threads but the one that forked, and
// the old pool's mutex may be held by one that is gone: so the child begins with a new pool in its place.
alignas(Pool) unsigned char place[sizeof(Pool)];
Pool *pool = nullptr;

void begin() { pool = new (place) Pool; }

[[maybe_unused]] const int registered = (begin(), pthread_atfork(nullptr, nullptr, begin));

}  // namespace

void run_team(int members, void (*body)(void *argument, int member), void *argument) {
    Worker *const team = members > 1 ? pool->take(members) : nullptr;
    int member = 1;
    for (Worker *worker = team; worker != nullptr; worker = worker->next) {
        worker->body = body;
        worker->argument = argument;
        worker->member = member++;
        worker->set_job(Job::posted);
    }
    body(argument, 0);
    for (Worker *worker = team; worker != nullptr; worker = worker->next)
        wait_while(worker->job, Job::posted);
    if (team != nullptr) pool->give_back(team, members);
}

Barrier::Barrier(int members) : members_(members), arrived_(0), round_(0) {}

void Barrier::wait() {
    const unsigned round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < members_) {
        wait_while(round_, round);
        return;
    }
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1);  // sequentially consistent: notify looks for sleepers only after it
    round_.notify_all();
}

}  // namespace unrolled
