#include "runtime/dispatch.hpp"

#include <atomic>
#include <cstring>

namespace unrolled {

namespace baseline {
extern const KernelTable kernels;
}
#ifdef UNROLLED_X86
namespace avx2 {
extern const KernelTable kernels;
}
namespace avx512 {
extern const KernelTable kernels;
}
#endif

// Each condition names the features that CMakeLists.txt compiles that table with.
std::vector<const KernelTable *> runnable() {
    std::vector<const KernelTable *> tables{&baseline::kernels};
#ifdef UNROLLED_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2::kernels);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        tables.push_back(&avx512::kernels);
#endif
    return tables;
}

static std::atomic<const KernelTable *> &current() {
    static std::atomic<const KernelTable *> table{runnable().back()};
    return table;
}

const KernelTable &selected() { return *current().load(std::memory_order_relaxed); }

bool select(const char *name) {
    for (const KernelTable *table : runnable())
        if (std::strcmp(table->name, name) == 0) {
            current().store(table, std::memory_order_relaxed);
            return true;
        }
    return false;
}

}  // namespace unrolled
