#include "runtime/buffer_cache.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <bit>
#include <cstdint>
#include <mutex>
#include <new>

namespace unrolled {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kMapped = std::size_t{4} << 20;  // from here on straight from the system

// Round up to a power of two or to one of three steps between two of them, so that lengths that differ from
// call to call share few sizes; at most a quarter is wasted.
std::size_t rounded(std::size_t bytes) {
    if (bytes <= kPage) return kPage;
    if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
    const std::size_t step = std::bit_floor(bytes - 1) / 4;
    return (bytes + step - 1) / step * step;
}

// Map memory that begins on a huge page: map one huge page too many and unmap what sticks out.
void *mapped(std::size_t bytes) {
    constexpr int kAccess = PROT_READ | PROT_WRITE, kKind = MAP_PRIVATE | MAP_ANONYMOUS;
    void *const mapping = mmap(nullptr, bytes + kHugePage, kAccess, kKind, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    auto *const begin = static_cast<unsigned char *>(mapping);
    const std::size_t before = -reinterpret_cast<std::uintptr_t>(begin) % kHugePage;
    if (before > 0) munmap(begin, before);
    if (before < kHugePage) munmap(begin + before + bytes, kHugePage - before);
    madvise(begin + before, bytes, MADV_HUGEPAGE);  // advice: where it is refused, small pages serve
    return begin + before;
}

void *allocated(std::size_t bytes) {
    return bytes >= kMapped ? mapped(bytes) : operator new(bytes, std::align_val_t{kAlignment});
}

void free_block(void *block, std::size_t bytes) noexcept {
    if (bytes >= kMapped)
        munmap(block, bytes);
    else
        operator delete(block, std::align_val_t{kAlignment});
}

// Header in the first bytes of a cached block, so that caching one needs no memory and cannot fail.
struct CachedBlock {
    CachedBlock *older;
    std::size_t bytes;
};

// The list lives as long as the process: threads may return buffers to its last moment.
constinit std::mutex mutex;
constinit CachedBlock *newest = nullptr;
constinit std::size_t n_cached_bytes = 0;

// A fork waits until nobody works on the list, so that the child finds it whole and its mutex free.
void lock() { mutex.lock(); }
void unlock() { mutex.unlock(); }

[[maybe_unused]] const int registered = pthread_atfork(lock, unlock, unlock);

// Take the newest cached block of exactly this size, or null.
void *take_cached(std::size_t bytes) {
    const std::lock_guard lock(mutex);
    for (CachedBlock **place = &newest; *place != nullptr; place = &(*place)->older) {
        CachedBlock *const block = *place;
        if (block->bytes != bytes) continue;
        *place = block->older;
        n_cached_bytes -= bytes;
        return block;
    }
    return nullptr;
}

// Remove from the list, and return, the blocks that are too old to stay within `limit` bytes.
CachedBlock *evict(std::size_t limit) {
    std::size_t horizontal_sum = 0;
    CachedBlock **place = &newest;
    while (*place != nullptr && horizontal_sum + (*place)->bytes <= limit) {
        horizontal_sum += (*place)->bytes;
        place = &(*place)->older;
    }
    CachedBlock *const rest = *place;
    *place = nullptr;
    n_cached_bytes = horizontal_sum;
    return rest;
}

std::size_t free_all(CachedBlock *blocks) noexcept {
    std::size_t freed = 0;
    while (blocks != nullptr) {
        const CachedBlock block = *blocks;
        free_block(blocks, block.bytes);
        freed += block.bytes;
        blocks = block.older;
    }
    return freed;
}

}  // namespace

void *acquire_buffer(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    void *const block = take_cached(size);
    return block != nullptr ? block : allocated(size);
}

void return_buffer(void *block, std::size_t bytes) noexcept {
    const std::size_t size = rounded(bytes);
    if (size > kMaxCachedBytes) {
        free_block(block, size);
        return;
    }
    CachedBlock *rest = nullptr;
    {
        const std::lock_guard lock(mutex);
        newest = new (block) CachedBlock{newest, size};
        n_cached_bytes += size;
        if (n_cached_bytes > kMaxCachedBytes) rest = evict(kMaxCachedBytes);
    }
    free_all(rest);
}

std::size_t release_buffers() noexcept {
    CachedBlock *rest = nullptr;
    {
        const std::lock_guard lock(mutex);
        rest = evict(0);
    }
    return free_all(rest);
}

std::size_t cached_bytes() noexcept {
    const std::lock_guard lock(mutex);
    return n_cached_bytes;
}

Buffer::Buffer(std::size_t bytes) : bytes_(bytes), data_(acquire_buffer(bytes)) {}
Buffer::~Buffer() { return_buffer(data_, bytes_); }
void *Buffer::data() const noexcept { return data_; }

}  // namespace unrolled
