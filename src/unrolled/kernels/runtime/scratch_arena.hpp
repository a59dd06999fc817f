// Scratch memory of one call, from the buffer cache, and the threads that work in it.
#pragma once

#include <cstddef>

#include "runtime/buffer_cache.hpp"
#include "runtime/phases.hpp"

namespace unrolled::UNROLLED_ISA {

// Lays arrays out in one block of memory, each from a cache line on. Without a block it only counts bytes.
class ScratchArena {
public:
    explicit ScratchArena(void *block) : block_(static_cast<char *>(block)) {}
    template <class T>
    T *allocate(std::size_t count) {
        char *const begin = block_ ? block_ + bytes_ : nullptr;
        // and a line between: arrays a power of two apart would share cache sets
        bytes_ += (count * sizeof(T) + 63) / 64 * 64 + 64;
        return reinterpret_cast<T *>(begin);
    }
    std::size_t bytes() const { return bytes_; }

private:
    char *const block_;
    std::size_t bytes_ = 0;
};

// Lay out the scratch memory of a pass, then run its parts.
template <class Pass>
void run_pass(Pass &pass, int parts, bool bodies_wait = false) {
    Buffer block(pass.layout_scratch(nullptr));
    pass.layout_scratch(block.data());
    run_parts(pass, parts, bodies_wait);
}

}  // namespace unrolled::UNROLLED_ISA
