// The claims of test_thread_pool.py on thread_pool.hpp and buffer_cache.hpp, each run by its name in a process of its own.
#include <dlfcn.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/buffer_cache.hpp"
#include "runtime/thread_pool.hpp"

using namespace unrolled;

#define REQUIRE(claim) \
    if (!(claim)) std::printf("line %d: %s\n", __LINE__, #claim), std::fflush(stdout), std::_Exit(1)

static auto threads_alive() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

// The task of most claims: pass a barrier, and require that all threads have come as far.
struct Walk {
    explicit Walk(int count, int rounds) : threads(count), rounds(rounds), barrier(count), steps(count) {}
    int threads, rounds;
    Barrier barrier;
    std::vector<long> steps;  // not atomic: the barrier alone orders them
    void run() {
        run_threads(threads, [](void *walk, int thread) { static_cast<Walk *>(walk)->go(thread); }, this);
        for (const long step : steps) REQUIRE(step == rounds);
    }
    void go(int thread) {
        for (int round = 0; round < rounds; ++round) {
            REQUIRE(steps[thread]++ == round);
            barrier.wait();
            for (const long step : steps) REQUIRE(step == round + 1);
            barrier.wait();
        }
    }
};

static void walk(int threads, int rounds) { Walk(threads, rounds).run(); }

static void each_body_runs_on_a_thread_of_its_own() {
    for (int threads = 0; threads <= 5; ++threads) {
        std::vector<std::thread::id> seen(5);
        run_threads(
            threads,
            [](void *argument, int thread) {
                auto &all = *static_cast<std::vector<std::thread::id> *>(argument);
                REQUIRE(all[thread] == std::thread::id());
                all[thread] = std::this_thread::get_id();
            },
            &seen);
        for (int a = 0; a < 5; ++a) {
            REQUIRE((seen[a] != std::thread::id()) == (a < threads));
            for (int b = 0; b < a && a < threads; ++b) REQUIRE(seen[a] != seen[b]);
        }
        if (threads > 0) REQUIRE(seen[0] == std::this_thread::get_id());
    }
}

static void threads_are_used_again() {
    walk(4, 1);
    const auto before = threads_alive();
    for (int problem = 0; problem < 200; ++problem) {
        walk(2 + problem % 3, 1);
        if (problem % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // they fall asleep
    }
    REQUIRE(threads_alive() == before);
}

static void a_barrier_holds_for_100000_rounds() { walk(2, 100'000); }

static void more_threads_than_processors_still_end() {
    walk(4 * static_cast<int>(std::thread::hardware_concurrency()), 300);
}

static void concurrent_callers_do_not_mix() {
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller)
        callers.emplace_back([caller] {
            for (int problem = 0; problem < 100; ++problem) walk(2 + caller, 3);
        });
    for (auto &caller : callers) caller.join();
}

static void concurrent_tasks_do_not_exceed_the_processors() {
    static const int processors = static_cast<int>(std::thread::hardware_concurrency());
    static std::atomic<int> running{0};
    const auto body = [](void *, int) {
        REQUIRE(++running <= std::max(processors, 2));
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        --running;
    };
    std::vector<std::thread> callers;
    for (int caller = 0; caller < std::max(processors, 2); ++caller)
        callers.emplace_back([&] {
            for (int problem = 0; problem < 20; ++problem) run_threads(2, body, nullptr);
        });
    for (auto &caller : callers) caller.join();
}

// A worker sleeps where its caller runs; a system that wakes it there would leave it there. Where every
// processor is busy with something else, the system may bring it back now and then.
static void a_worker_leaves_its_callers_processor() {
    walk(2, 1);
    const int here = sched_getcpu();
    cpu_set_t allowed, only;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    if (CPU_COUNT(&allowed) < 2) return;
    CPU_ZERO(&only);
    CPU_SET(here, &only);
    sched_setaffinity(0, sizeof only, &only);
    pid_t worker = 0;
    int left = 0;
    for (int problem = 0; problem < 50; ++problem) {
        for (const auto &task : std::filesystem::directory_iterator("/proc/self/task")) {
            const pid_t thread = std::stoi(task.path().filename());
            if (thread == getpid()) continue;
            worker = thread;
            sched_setaffinity(thread, sizeof only, &only);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            sched_setaffinity(thread, sizeof allowed, &allowed);
        }
        int places[2] = {-1, -1};
        run_threads(2, [](void *to, int thread) { static_cast<int *>(to)[thread] = sched_getcpu(); }, places);
        REQUIRE(places[0] == here);
        left += places[1] != here;
        cpu_set_t after;
        REQUIRE(sched_getaffinity(worker, sizeof after, &after) == 0 && CPU_EQUAL(&after, &allowed));
    }
    REQUIRE(left >= 25);
}

// Fork `times` times while other threads do `busy`; each child does `busy` too, once, and ends well.
template <class Busy> static void forked_while(int times, Busy busy) {
    std::atomic<bool> over{false};
    std::vector<std::thread> others;
    for (int k = 0; k < 2; ++k)
        others.emplace_back([&] {
            while (!over) busy();
        });
    for (int time = 0; time < times; ++time) {
        busy();
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);  // a child that hangs dies of it
#ifndef __SANITIZE_ADDRESS__  // whose allocator a thread that the child lacks may have locked, for ever
            busy();
#endif
            _exit(7);
        }
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
    over = true;
    for (auto &other : others) other.join();
}

static void a_forked_child_has_a_pool_of_its_own() {
    forked_while(40, [] { walk(2, 3); });
}

static void a_process_can_end_while_a_task_runs() {
    std::thread([] {
        for (;;) walk(2, 10);
    }).detach();
    walk(2, 10);
}

static void a_refused_thread_is_an_error_before_any_body_runs() {
    walk(2, 1);
    rlimit before{};
    getrlimit(RLIMIT_AS, &before);
    const rlimit nothing{1, before.rlim_max};
    int bodies = 0;
    std::string message;
    setrlimit(RLIMIT_AS, &nothing);  // no memory for another stack
    try {
        run_threads(3, [](void *argument, int) { ++*static_cast<int *>(argument); }, &bodies);
    } catch (const std::runtime_error &error) {
        message = error.what();
    }
    setrlimit(RLIMIT_AS, &before);
    REQUIRE(message.starts_with("run_threads: the system refused to start one of 3 threads (Resource temporarily"));
    REQUIRE(bodies == 0);
    walk(3, 10);
}

// With the runtime in the process: its threads, and ours where it was message to use fewer.
static void tasks_run_on_openmp_threads() {
    REQUIRE(dlopen("libgomp.so.1", RTLD_NOW | RTLD_GLOBAL) != nullptr);
    const auto set_threads = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    static const auto depth = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_level"));
    set_threads(3);
    for (int threads : {2, 3, 4}) {
        int levels[4] = {};
        run_threads(threads, [](void *to, int thread) { static_cast<int *>(to)[thread] = 1 + depth(); }, levels);
        for (int thread = 0; thread < 4; ++thread)
            REQUIRE(levels[thread] == (thread < threads ? 1 + (threads <= 3) : 0));
        walk(threads, 100);
    }
    forked_while(5, [] { walk(2, 3); });
}

static void buffers_are_aligned_and_reused() {
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{4097},
                                    std::size_t{1} << 20, (std::size_t{4} << 20) - 1, std::size_t{5} << 20}) {
        void *const block = acquire_buffer(bytes);
        REQUIRE(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
        if (bytes >= std::size_t{4} << 20) REQUIRE(reinterpret_cast<std::uintptr_t>(block) % (2 << 20) == 0);
        std::memset(block, 1, bytes);
        void *const other = acquire_buffer(bytes);
        REQUIRE(other != block);
        return_buffer(other, bytes);
        return_buffer(block, bytes);
        REQUIRE(cached_bytes() >= 2 * bytes && cached_bytes() <= 2 * (bytes + bytes / 4) + 2 * 4096);
        REQUIRE(acquire_buffer(bytes) == block);
        return_buffer(block, bytes);
        REQUIRE(cached_bytes() > 0);
        const std::size_t all = cached_bytes();
        REQUIRE(release_buffers() == all);
        REQUIRE(cached_bytes() == 0 && release_buffers() == 0);
    }
}

static void a_buffer_is_returned_at_the_end_of_its_scope() {
    void *first = nullptr;
    {
        const Buffer block(10'000);
        first = block.data();
        REQUIRE(cached_bytes() == 0);
    }
    REQUIRE(cached_bytes() >= 10'000);
    REQUIRE(Buffer(10'000).data() == first);
}

static void the_cache_is_bounded_and_evicts_the_oldest() {
    const std::size_t bytes = std::size_t{100} << 20;  // becomes 112 MiB, never written to
    std::vector<void *> blocks;
    for (int k = 0; k < 6; ++k) blocks.push_back(acquire_buffer(bytes));
    for (void *block : blocks) return_buffer(block, bytes);
    REQUIRE(cached_bytes() == std::size_t{4 * 112} << 20);
    for (int k = 5; k >= 2; --k) REQUIRE(acquire_buffer(bytes) == blocks[k]);  // the newest first
    REQUIRE(cached_bytes() == 0);
    for (int k = 5; k >= 2; --k) return_buffer(blocks[k], bytes);
    void *const larger = acquire_buffer(kMaxCachedBytes + 1);
    return_buffer(larger, kMaxCachedBytes + 1);
    REQUIRE(cached_bytes() == std::size_t{4 * 112} << 20);
}

static void ragged_sizes_share_few_size_classes() {
    std::map<void *, int> seen;
    std::uint32_t random = 1;
    for (int problem = 0; problem < 20'000; ++problem) {
        random = random * 1664525 + 1013904223;
        const std::size_t bytes = 100'000 + (random >> 8) % 900'000;
        const Buffer block(bytes);
        ++seen[block.data()];
        std::memset(block.data(), 1, 64);
    }
    REQUIRE(seen.size() <= 14);  // a step for each quarter between 100 000 and 1 000 000
    REQUIRE(cached_bytes() < 14 * 1'100'000);
}

static void a_buffer_has_one_user_at_a_time() {
    const auto use = [] {
        const std::size_t sizes[] = {300, 70'000, std::size_t{5} << 20};
        static std::atomic<unsigned char> users{0};
        static thread_local const unsigned char mark = ++users;
        for (const std::size_t size : sizes) {
            const Buffer block(size);
            auto *const bytes = static_cast<unsigned char *>(block.data());
            bytes[0] = bytes[100] = bytes[size - 1] = mark;
            std::this_thread::yield();
            REQUIRE(bytes[0] == mark && bytes[100] == mark && bytes[size - 1] == mark);
        }
        static thread_local int calls = 0;
        if (++calls % 50 == 0) release_buffers();
    };
    forked_while(40, use);
    std::vector<std::thread> users;
    for (int k = 0; k < 4; ++k)
        users.emplace_back([&] {
            for (int problem = 0; problem < 500; ++problem) use();
        });
    for (auto &user : users) user.join();
}

#define CLAIM(name) {#name, name}
int main(int count, char **words) {
    const std::map<std::string, void (*)()> claims{
        CLAIM(each_body_runs_on_a_thread_of_its_own),
        CLAIM(threads_are_used_again),
        CLAIM(a_barrier_holds_for_100000_rounds),
        CLAIM(more_threads_than_processors_still_end),
        CLAIM(concurrent_callers_do_not_mix),
        CLAIM(concurrent_tasks_do_not_exceed_the_processors),
        CLAIM(a_worker_leaves_its_callers_processor),
        CLAIM(a_forked_child_has_a_pool_of_its_own),
        CLAIM(a_process_can_end_while_a_task_runs),
        CLAIM(a_refused_thread_is_an_error_before_any_body_runs),
        CLAIM(tasks_run_on_openmp_threads),
        CLAIM(buffers_are_aligned_and_reused),
        CLAIM(a_buffer_is_returned_at_the_end_of_its_scope),
        CLAIM(the_cache_is_bounded_and_evicts_the_oldest),
        CLAIM(ragged_sizes_share_few_size_classes),
        CLAIM(a_buffer_has_one_user_at_a_time),
    };
    claims.at(count > 1 ? words[1] : "")();
    std::puts(words[1]);
}
