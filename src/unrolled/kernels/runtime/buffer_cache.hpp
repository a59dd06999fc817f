// Buffers that are kept between calls, so that a call need not ask the system for fresh pages.
//
// Everything is defined in buffer_cache.cpp, which is compiled once: files that are compiled for each
// instruction set may include this, for it leaves them nothing to compile.
#pragma once

#include <cstddef>

namespace unrolled {

// Blocks given back are kept for the next borrower, at most this many bytes in all: the block given
// back last stays, those given back longest ago go. A larger block is never kept.
inline constexpr std::size_t kMaxCachedBytes = std::size_t{512} << 20;

// Memory of at least `bytes`, uninitialised, aligned to 64 bytes (from 4 MiB on to 2 MiB, on huge pages
// where the system has them). Throws std::bad_alloc. These functions may be called from any thread.
void *acquire_buffer(std::size_t bytes);

// Give a block back with the number of bytes it was borrowed with.
void return_buffer(void *block, std::size_t bytes) noexcept;

// Free all that is kept; the answer is how many bytes that was.
std::size_t release_buffers() noexcept;

// How many bytes are kept now.
std::size_t cached_bytes() noexcept;

// A borrowed block that goes back at the end of its scope.
class Buffer {
public:
    explicit Buffer(std::size_t bytes);
    ~Buffer();
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    void *data() const noexcept;

private:
    const std::size_t bytes_;
    void *const data_;
};

}  // namespace unrolled
