// A team of threads that lasts from call to call, and the point where its members meet.
//
// Everything is defined in thread_pool.cpp, which is compiled once: files that are compiled for each
// instruction set may include this, for it leaves them nothing to compile.
#pragma once

#include <atomic>

namespace unrolled {

// Run body(argument, member) for every member in 0 .. members - 1, each on a thread of its own, the
// caller's being member 0, and return when all have ended. `body` must not throw, fork or call run_team.
// The threads are torch's where it was set to use as many in the calling thread, else a pool's.
// Calls from several threads run beside one another as long as the processors suffice, else in turn.
// Throws std::runtime_error, before any body starts, if the system refuses a thread.
void run_threads(int threads, void (*body)(void *argument, int thread), void *argument);

// Where `members` threads wait for one another, any number of times: what each wrote before wait() all
// read after it. It must outlive the run_team() in which it is used.
class Barrier {
public:
    explicit Barrier(int threads);
    Barrier(const Barrier &) = delete;
    Barrier &operator=(const Barrier &) = delete;
    void wait();

private:
    const int threads_;
    alignas(64) std::atomic<int> arrived_;  // a cache line for each: waiting threads read only round_
    alignas(64) std::atomic<unsigned> round_;
};

}  // namespace unrolled
