// How it is noticed: Linux counts for each thread the time that it was ready to run and did not
// (/proc/self/task/*/schedstat, the second number). On a quiet machine that is next to nothing.
//
// How it is answered: a thread of GCC's OpenMP runtime spins for milliseconds before it sleeps, on its own core
// or on the one that the thread it waits for needs. The number of spins is read from the environment when the
// runtime is loaded, which is too late for us; but the runtime itself spins a hundred times only while it
// manages more threads than there are processors (gomp_managed_threads in its wait.h). So for as long as others
// want the processors, a thread of ours holds a team of OpenMP threads that sleep. Measured on two cores with
// one busy process on each, a fit of 0.6 s took 2.7 to 20 s with spinning threads and 1.1 to 1.6 times as long
// as on a single thread with these; on a quiet machine sleeping threads would make it half as long again.
// Where the runtime is another, or the system counts no waiting, nothing is done. What kernels do: phases.cpp.
#include "runtime/contention.hpp"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>

namespace unrolled {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kLinger = 1s;            // after the last call, before the watch ends
constexpr auto kFirstLook = 8ms;        // a short fit should profit too; then twice as long each time
constexpr auto kLook = 100ms;           // at last: a look costs about 10 us a thread
constexpr double kContended = 0.3;      // waiting threads, on average: from here on others want the processors
constexpr double kQuiet = 0.15;         // below, in kQuietLooks looks after each other, no longer
constexpr int kQuietLooks = 3;
constexpr int kMostThreads = 64;        // of the team that is held; beyond, spinning is left as it is

// Time that the threads of this process have waited for a processor since the last look.
class WaitingTime {
public:
    std::chrono::nanoseconds since_last() {
        std::map<std::int64_t, std::uint64_t> waited;
        if (DIR *const tasks = opendir("/proc/self/task")) {
            while (const dirent *const task = readdir(tasks)) {
                std::uint64_t time = 0;
                if (task->d_name[0] != '.' && read_waited(dirfd(tasks), task->d_name, time))
                    waited[std::atoll(task->d_name)] = time;
            }
            closedir(tasks);
        }
        std::uint64_t sum = 0;
        for (const auto &[task, time] : waited) {
            const auto before = waited_.find(task);
            if (before != waited_.end() && time > before->second) sum += time - before->second;
        }
        waited_.swap(waited);
        return std::chrono::nanoseconds(sum);
    }

private:
    std::map<std::int64_t, std::uint64_t> waited_;  // by thread

    static bool read_waited(int tasks, const char *task, std::uint64_t &time) {
        char text[96];
        const std::string path = std::string(task) + "/schedstat";
        const int file = openat(tasks, path.c_str(), O_RDONLY | O_CLOEXEC);
        if (file < 0) return false;
        const auto size = read(file, text, sizeof text - 1);
        close(file);
        if (size <= 0) return false;
        text[size] = 0;
        unsigned long long ran = 0, waited = 0;
        if (std::sscanf(text, "%llu %llu", &ran, &waited) != 2) return false;
        time = waited;
        return true;
    }
};

// A team of sleeping OpenMP threads, held by a thread of its own: when that ends, the runtime ends the team.
class SleepingTeam {
public:
    void hold() {
        if (holder_.joinable()) return;
        const auto parallel = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
        const auto most = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
        if (parallel == nullptr || most == nullptr || dlsym(RTLD_DEFAULT, "kmp_set_blocktime") != nullptr) return;
        // with those that torch has, more than there are processors
        const int threads = std::max(2, static_cast<int>(std::thread::hardware_concurrency()) - most() + 2);
        if (threads > kMostThreads) return;
        is_held_ = true;
        try {
            holder_ = std::thread([this, parallel, threads] {
                parallel([](void *) {}, nullptr, static_cast<unsigned>(threads), 0);
                std::unique_lock lock(mutex_);
                released_.wait(lock, [this] { return !is_held_; });
            });
        } catch (const std::system_error &) {  // no thread to be had: threads spin as before
            is_held_ = false;
        }
    }

    void release() {
        if (!holder_.joinable()) return;
        {
            const std::lock_guard lock(mutex_);
            is_held_ = false;
        }
        released_.notify_one();
        holder_.join();
    }

private:
    using Parallel = void (*)(void (*)(void *), void *, unsigned threads, unsigned flags);
    std::thread holder_;
    std::mutex mutex_;
    std::condition_variable released_;
    bool is_held_ = false;
};

class Watch {
public:
    explicit Watch(bool is_off) : is_watching_(is_off) {}

    void use() {
        last_use_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
        if (is_watching_.load(std::memory_order_relaxed)) return;
        const std::lock_guard lock(mutex_);
        if (is_watching_.exchange(true)) return;
        if (has_thread_) return is_watching_.notify_one();
        try {
            std::thread(&Watch::serve, this).detach();
            has_thread_ = true;
        } catch (const std::system_error &) {  // none to be had: stays unwatched
        }
    }

    bool is_contended() const { return is_contended_.load(std::memory_order_relaxed); }

private:
    std::mutex mutex_;
    std::atomic<Clock::rep> last_use_{0};
    std::atomic<bool> is_watching_, is_contended_{false};
    bool has_thread_ = false;

    void serve() noexcept {
        for (;;) {
            watch_until_unused();
            is_watching_.store(false);
            is_watching_.wait(false);
        }
    }

    void watch_until_unused() {
        WaitingTime waiting;
        SleepingTeam team;
        int quiet_looks = 0;
        waiting.since_last();
        auto look = Clock::duration(kFirstLook);
        for (auto last = Clock::now(); !is_unused(last); look = std::min(2 * look, Clock::duration(kLook))) {
            std::this_thread::sleep_for(look);
            const auto now = Clock::now();
            const std::chrono::duration<double> waited = waiting.since_last();
            const double threads = waited / std::chrono::duration<double>(now - last);
            last = now;
            quiet_looks = threads < kQuiet ? quiet_looks + 1 : 0;
            if (threads > kContended) team.hold(), is_contended_.store(true);
            if (quiet_looks >= kQuietLooks) team.release(), is_contended_.store(false);
        }
        team.release();
        is_contended_.store(false);
    }

    bool is_unused(Clock::time_point now) const {
        return now.time_since_epoch() - Clock::duration(last_use_.load(std::memory_order_relaxed)) > kLinger;
    }
};

// Never destroyed, as the thread pool is not and for its reasons. In the child of a fork nothing is watched:
// the runtime of the parent's threads is not to be used there.
alignas(Watch) unsigned char place[sizeof(Watch)];
Watch *watch = nullptr;

[[maybe_unused]] const int registered = (watch = new (place) Watch(false),
                                         pthread_atfork(nullptr, nullptr, [] { watch = new (place) Watch(true); }));

}  // namespace

void watch_contention() { watch->use(); }

bool is_contended() { return watch->is_contended(); }

}  // namespace unrolled
