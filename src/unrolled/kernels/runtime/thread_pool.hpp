// Thread pool that lasts from call to call, and a barrier for its threads.
//
// Only declarations, so that files that are compiled for each instruction set may include this header.
#pragma once

#include <atomic>

namespace unrolled {

// Run body(argument, thread) for every thread in 0 .. threads - 1 in parallel, thread 0 being the caller, and
// return when all have ended. `body` must not throw, fork or call run_threads. The threads are torch's where
// it was set to use as many in the calling thread, else the pool's. Concurrent calls run side by side as long
// as the processors suffice, else in turn. Throws std::runtime_error, before any body starts, if the system
// refuses a thread.
void run_threads(int threads, void (*body)(void *argument, int thread), void *argument);

// Barrier of `threads` threads, for any number of rounds: what each wrote before wait() all read after it. It
// must outlive the run_threads() in which it is used.
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
