// The claims of test_phases.py on phases.hpp, each run by its name in a process of its own.
//
// Whether others want the processors is a variable here.
#include "runtime/phases.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "runtime/contention.hpp"
#include "runtime/thread_pool.hpp"

using namespace unrolled;
using namespace std::chrono_literals;

#define REQUIRE(claim) \
    if (!(claim)) std::printf("line %d: %s\n", __LINE__, #claim), std::fflush(stdout), std::_Exit(1)

static std::atomic<bool> contended{true};
bool unrolled::is_contended() { return contended; }

static auto threads_alive() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

// Every part of a phase reads what all parts of the one before wrote, which nothing but the phases orders.
struct Wave {
    static constexpr int kPhases = 7;
    std::vector<long> heights;
    std::vector<std::thread::id> threads;
    explicit Wave(int parts) : heights(parts), threads(parts) {}

    void run(int part, int phase) {
        if (phase % 2 == 0) {
            REQUIRE(heights[part]++ == phase / 2);
        } else {
            for (const long height : heights) REQUIRE(height == phase / 2 + 1);
        }
        threads[part] = std::this_thread::get_id();
    }
    void go(bool bodies_wait = false) {
        run_parts(*this, static_cast<int>(heights.size()), bodies_wait);
        for (const long height : heights) REQUIRE(height == (kPhases + 1) / 2);
    }
};

static void wave(int parts) { Wave(parts).go(); }

static void a_phase_begins_once_the_one_before_has_ended() {
    for (const bool is_contended : {false, true}) {
        contended = is_contended;
        for (int round = 0; round < 500; ++round) wave(round % 6);
    }
}

static void every_part_runs_once() {
    struct Count {
        std::vector<int> runs;
        void run(int part) { ++runs[part]; }
    };
    for (const bool is_contended : {false, true}) {
        contended = is_contended;
        for (int parts = 0; parts <= 5; ++parts) {
            Count count{std::vector<int>(parts)};
            run_parts(count, parts);
            for (const int runs : count.runs) REQUIRE(runs == 1);
        }
    }
}

static void no_more_helpers_than_other_processors() {
    std::thread([] {}).join();  // a sanitizer starts its own thread with the first
    const auto before = threads_alive();
    for (int round = 0; round < 200; ++round) wave(2 + round % 9);
    REQUIRE(threads_alive() - before <= static_cast<long>(std::thread::hardware_concurrency()) - 1);
}

static void bodies_that_wait_run_on_threads_of_their_own() {
    for (int round = 0; round < 50; ++round) {
        struct Meeting {
            Barrier barrier{4};
            std::vector<std::thread::id> threads = std::vector<std::thread::id>(4);
            void run(int part) {
                barrier.wait();
                threads[part] = std::this_thread::get_id();
            }
        } meeting;
        run_parts(meeting, 4, true);
        REQUIRE(std::set(meeting.threads.begin(), meeting.threads.end()).size() == 4);
    }
}

static void concurrent_callers_share_the_helpers() {
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller)
        callers.emplace_back([caller] {
            for (int round = 0; round < 2000; ++round) wave(2 + caller);
        });
    for (auto &caller : callers) caller.join();
}

static void a_change_of_contention_between_calls_is_seen() {
    std::atomic<bool> over{false};
    std::thread other([&] {
        while (!over) contended = !contended, std::this_thread::sleep_for(100us);
    });
    for (int round = 0; round < 500; ++round) wave(3);
    over = true;
    other.join();
}

static void a_forked_child_has_helpers_of_its_own() {
    wave(3);
    for (int time = 0; time < 20; ++time) {
        wave(2);
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);  // a child that hangs dies of it
            wave(3);
            _exit(7);
        }
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
}

static void a_process_can_end_while_a_task_runs() {
    std::thread([] {
        for (;;) wave(2);
    }).detach();
    wave(3);
}

#define CLAIM(name) {#name, name}
int main(int count, char **words) {
    const std::map<std::string, void (*)()> claims{
        CLAIM(a_phase_begins_once_the_one_before_has_ended),
        CLAIM(every_part_runs_once),
        CLAIM(no_more_helpers_than_other_processors),
        CLAIM(bodies_that_wait_run_on_threads_of_their_own),
        CLAIM(concurrent_callers_share_the_helpers),
        CLAIM(a_change_of_contention_between_calls_is_seen),
        CLAIM(a_forked_child_has_helpers_of_its_own),
        CLAIM(a_process_can_end_while_a_task_runs),
    };
    claims.at(count > 1 ? words[1] : "")();
    std::puts(words[1]);
}
