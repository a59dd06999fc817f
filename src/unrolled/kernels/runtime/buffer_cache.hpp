// Cache of scratch buffers between calls, so that a call need not ask the system for fresh pages.
//
// Only declarations, so that files that are compiled for each instruction set may include this header.
#pragma once

#include <cstddef>

namespace unrolled {

// Returned buffers are cached, at most this many bytes in all; those returned longest ago are freed first. A
// larger buffer is never cached.
inline constexpr std::size_t kMaxCachedBytes = std::size_t{512} << 20;

// Acquire at least `bytes` of uninitialised memory, aligned to 64 bytes (from 4 MiB on to 2 MiB, on huge
// pages where the system has them). Throws std::bad_alloc. All functions here may be called from any thread.
void *acquire_buffer(std::size_t bytes);

// Return a buffer with the number of bytes it was acquired with.
void return_buffer(void *block, std::size_t bytes) noexcept;

// Free all cached buffers; return how many bytes that was.
std::size_t release_buffers() noexcept;

// Bytes that are cached now.
std::size_t cached_bytes() noexcept;

// A buffer that is returned at the end of its scope.
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
