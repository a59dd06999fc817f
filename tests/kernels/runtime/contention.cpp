// Claims of test_contention.py on contention.hpp, run by name, alone or under the sanitizers.
//
// The program is its own OpenMP runtime, as the sanitizers cannot see into GCC's: the watch looks its two
// functions up by name, and finds these.
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/contention.hpp"

using namespace unrolled;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

#define REQUIRE(claim) \
    if (!(claim)) std::printf("line %d: %s\n", __LINE__, #claim), std::fflush(stdout), std::_Exit(1)

// Threads of the teams that are alive: as with GCC's runtime, a team lasts as long as the thread that made it.
static std::atomic<int> in_teams{0};

namespace {
struct Team {
    std::atomic<bool> is_over{false};
    std::vector<std::thread> members;
    ~Team() {
        is_over = true;
        for (auto &member : members) member.join(), --in_teams;
    }
};
thread_local Team team;
}  // namespace

extern "C" int omp_get_max_threads() { return 2; }

extern "C" void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned) {
    for (unsigned k = 1; k < threads; ++k, ++in_teams)
        team.members.emplace_back([body, data, over = &team.is_over] {
            body(data);
            while (!*over) std::this_thread::sleep_for(1ms);
        });
    body(data);
}

static bool comes(const std::atomic<bool> *busy, bool is_expected, std::chrono::seconds limit = 30s) {
    for (const auto start = Clock::now(); Clock::now() - start < limit;) {
        if (busy != nullptr) watch_contention();
        if (is_contended() == is_expected && (in_teams > 0) == is_expected) return true;
        std::this_thread::sleep_for(1ms);
    }
    return false;
}

// Threads that share one processor, so that most of them wait, and all of which say that they compute.
static void compete(void (*beside)(const std::atomic<bool> *)) {
    std::atomic<bool> busy{true};
    std::vector<std::thread> threads;
    for (int k = 0; k < 4; ++k)
        threads.emplace_back([&busy] {
            while (busy) watch_contention(), (void)is_contended();
        });
    beside(&busy);
    busy = false;
    for (auto &thread : threads) thread.join();
}

static void a_team_is_held_while_threads_wait_and_goes_after() {
    for (int round = 0; round < 2; ++round) {  // the watch ends a second after the last call, and begins again
        compete([](const std::atomic<bool> *busy) { REQUIRE(comes(busy, true)); });
        REQUIRE(comes(nullptr, false));
    }
}

static void a_child_of_a_fork_is_not_watched() {
    compete([](const std::atomic<bool> *busy) {
        REQUIRE(comes(busy, true));
        if (const pid_t child = fork(); child == 0) {
            watch_contention();
            _exit(is_contended() ? 3 : 0);
        } else {
            int status = -1;
            REQUIRE(waitpid(child, &status, 0) == child && status == 0);
        }
    });
}

int main(int, char **words) {
    cpu_set_t allowed;
    sched_getaffinity(0, sizeof allowed, &allowed);
    int processor = 0;
    while (!CPU_ISSET(processor, &allowed)) ++processor;
    CPU_ZERO(&allowed);
    CPU_SET(processor, &allowed);
    REQUIRE(sched_setaffinity(0, sizeof allowed, &allowed) == 0);
#define CLAIM(name) \
    if (std::strcmp(words[1], #name) == 0) return name(), std::puts(#name), 0
    CLAIM(a_team_is_held_while_threads_wait_and_goes_after);
    CLAIM(a_child_of_a_fork_is_not_watched);
    return 2;
}
