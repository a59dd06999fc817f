// Tensors as torch describes them to C: DLPack's table of C functions, version 1, which torch has had since
// 2.10 as the type attribute __dlpack_c_exchange_api__. It costs a tenth of asking each tensor from Python
// for its address, shape and strides.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "rnn/problem.hpp"

namespace unrolled {

enum class ElementKind : std::uint8_t { kInteger = 0, kFloat = 2, kBool = 6 };  // DLDataTypeCode

template <class Element>
inline constexpr ElementKind kKindOf = std::is_floating_point_v<Element> ? ElementKind::kFloat
                                       : std::is_same_v<Element, bool>   ? ElementKind::kBool
                                                                         : ElementKind::kInteger;

// DLTensor, whose layout is fixed within version 1 of DLPack.
struct TensorDescription {
    void *data;
    std::int32_t device, device_id, ndim;
    ElementKind kind;
    std::uint8_t bits;
    std::uint16_t lanes;
    const std::int64_t *shape, *strides;
    std::uint64_t byte_offset;

    // Contiguous from axis `first` on; axes before it may have any strides. Without elements strides are
    // nothing.
    bool is_contiguous_from(int first) const {
        std::int64_t stride = 1;
        bool has_strides = true;
        for (int axis = ndim - 1; axis >= 0; --axis) {
            if (shape[axis] == 0) return true;
            has_strides &= axis < first || shape[axis] == 1 || strides[axis] == stride;
            stride *= shape[axis];
        }
        return has_strides;
    }
    bool has_shape(std::initializer_list<std::size_t> sizes) const {
        if (ndim != static_cast<int>(sizes.size())) return false;
        const auto *size = shape;
        for (const auto expected : sizes)
            if (*size++ != static_cast<std::int64_t>(expected)) return false;
        return true;
    }
};

// Array and StepView of a described tensor; null where nothing was described.
template <class View>
struct Viewed;
template <class T>
struct Viewed<Array<T>> {
    using Element = std::remove_const_t<T>;
    static constexpr int kFirstContiguousAxis = 0;
    static Array<T> of(const TensorDescription &tensor) {
        return reinterpret_cast<T *>(static_cast<char *>(tensor.data) + tensor.byte_offset);
    }
};
template <class T>
struct Viewed<StepView<T>> {
    using Element = std::remove_const_t<T>;
    static constexpr int kFirstContiguousAxis = 2;
    static StepView<T> of(const TensorDescription &tensor) {
        if (!tensor.data) return {};
        return {Viewed<Array<T>>::of(tensor), tensor.strides[0], tensor.strides[1]};
    }
};

// Whether a tensor can be read as this view, with this shape.
template <class View>
bool matches(const TensorDescription &tensor, std::initializer_list<std::size_t> shape) {
    using Element = typename Viewed<View>::Element;
    return tensor.kind == kKindOf<Element> && tensor.bits == 8 * sizeof(Element) && tensor.has_shape(shape) &&
           tensor.is_contiguous_from(Viewed<View>::kFirstContiguousAxis);
}

// Take torch's table of functions from its capsule. `is_negated` tells of a tensor whether its numbers are
// stored with the opposite sign, which DLPack cannot express. Return false if the table is of another
// version.
bool open_exchange(const nanobind::object &capsule, const nanobind::object &is_negated);

// Describe a tensor that is to be written; false if it is not on the CPU.
bool describe_target(nanobind::handle tensor, TensorDescription &description);

// Describe a tensor that is to be read; false also if its numbers are stored with the opposite sign.
bool describe_source(nanobind::handle tensor, TensorDescription &description);

// Describe a tensor that may be None; false if it is one that cannot be read as this view.
template <class View>
bool view(nanobind::handle tensor, std::initializer_list<std::size_t> shape, View &to) {
    TensorDescription description{};
    if (tensor.is_none()) return true;
    if (!describe_source(tensor, description) || !matches<View>(description, shape)) return false;
    to = Viewed<View>::of(description);
    return true;
}

}  // namespace unrolled
