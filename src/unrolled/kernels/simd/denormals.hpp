// Denormal numbers: flush them to zero while an object lives.
//
// Gradients that decay over many steps end as denormals, with which a processor computes 10 to 100 times
// slower; by then they are no part of any sum. The mode is the calling thread's.
#pragma once

#include <cstdint>

namespace unrolled::UNROLLED_ISA {

class FlushDenormals {
public:
    FlushDenormals() : before_(mode()) { set_mode(before_ | kFlush); }
    ~FlushDenormals() { set_mode(before_); }
    FlushDenormals(const FlushDenormals &) = delete;
    FlushDenormals &operator=(const FlushDenormals &) = delete;

private:
#if defined(__SSE2__)
    using Mode = unsigned int;
    static constexpr Mode kFlush = 1u << 15 | 1u << 6;  // results, and what is read
    static Mode mode() { return __builtin_ia32_stmxcsr(); }
    static void set_mode(Mode mode) { __builtin_ia32_ldmxcsr(mode); }
#elif defined(__aarch64__)
    using Mode = std::uint64_t;
    static constexpr Mode kFlush = Mode{1} << 24;
    static Mode mode() {
        Mode mode;
        asm volatile("mrs %0, fpcr" : "=r"(mode));
        return mode;
    }
    static void set_mode(Mode mode) { asm volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#else
    using Mode = unsigned int;  // no mode is known here: they stay
    static constexpr Mode kFlush = 0;
    static Mode mode() { return 0; }
    static void set_mode(Mode) {}
#endif

    const Mode before_;
};

}  // namespace unrolled::UNROLLED_ISA
