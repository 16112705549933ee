#include "soret/network/pooling.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "soret/base/error.hpp"

namespace soret::network {

template <class T>
Pooling<T>::Pooling(const Shape& input, PoolingKind kind, int window_h, int window_w, int stride, int pad)
    : in_(input), kind_(kind), window_h_(window_h), window_w_(window_w), stride_(stride), pad_(pad) {
  if (window_h > input.h + 2 * pad || window_w > input.w + 2 * pad) {
    throw ConfigError(fmt::format("a pooling window of {} x {} is larger than its input {} with padding {}",
                                  window_h, window_w, text(input), pad));
  }
  if (pad >= std::min(window_h, window_w))
    throw ConfigError(fmt::format("padding {} of a pooling window of {} x {} must be smaller than it", pad,
                                  window_h, window_w));
  out_ = {(input.h + 2 * pad - window_h) / stride + 1, (input.w + 2 * pad - window_w) / stride + 1, input.c};
}

template <class T>
Pooling<T>::Pooling(const Shape& input, PoolingKind kind, int window, int stride, int pad)
    : Pooling(input, kind, window, window, stride, pad) {}

template <class T>
Pooling<T> Pooling<T>::global(const Shape& input, PoolingKind kind) {
  return Pooling(input, kind, input.h, input.w, 1, 0);
}

template <class T>
typename Pooling<T>::Window Pooling<T>::window(int i, int j) const {
  const int top = i * stride_ - pad_;
  const int left = j * stride_ - pad_;
  return {std::max(top, 0), std::min(top + window_h_, in_.h), std::max(left, 0),
          std::min(left + window_w_, in_.w)};
}

template <class T>
void Pooling<T>::forward(const Values<T>& v, const Mode& /*mode*/, const T* /*state*/) const {
  if (kind_ == PoolingKind::max) {
    std::size_t at = 0;
    for (int n = 0; n < v.n; ++n) {
      const T* const image = v.x + n * in_.size();
      for (int i = 0; i < out_.h; ++i) {
        for (int j = 0; j < out_.w; ++j) {
          const Window w = window(i, j);
          for (int k = 0; k < in_.c; ++k, ++at) {
            int best = (w.top * in_.w + w.left) * in_.c + k;
            for (int row = w.top; row < w.bottom; ++row) {
              for (int column = w.left; column < w.right; ++column) {
                const int here = (row * in_.w + column) * in_.c + k;
                if (image[here] > image[best]) best = here;
              }
            }
            v.kept[at] = static_cast<T>(best);  // exact: an image has fewer than 2^24 values
          }
        }
      }
    }
  }
  gather(v.n, v.kept, v.x, v.y);
}

template <class T>
void Pooling<T>::gather(int n, const T* kept, const T* x, T* y) const {
  std::size_t at = 0;
  for (int s = 0; s < n; ++s) {
    const T* const image = x + s * in_.size();
    for (int i = 0; i < out_.h; ++i) {
      for (int j = 0; j < out_.w; ++j) {
        if (kind_ == PoolingKind::max) {
          for (int k = 0; k < in_.c; ++k, ++at) y[at] = image[static_cast<int>(kept[at])];
          continue;
        }
        const Window w = window(i, j);
        std::fill_n(y + at, in_.c, T{});
        for (int row = w.top; row < w.bottom; ++row)
          for (int column = w.left; column < w.right; ++column)
            for (int k = 0; k < in_.c; ++k) y[at + k] += image[(row * in_.w + column) * in_.c + k];
        const T share = T{1} / static_cast<T>((w.bottom - w.top) * (w.right - w.left));
        for (int k = 0; k < in_.c; ++k) y[at + k] *= share;
        at += in_.c;
      }
    }
  }
}

template <class T>
void Pooling<T>::scatter(int n, const T* kept, const T* dy, T* dx, bool add) const {
  if (!add) std::fill_n(dx, n * in_.size(), T{});
  std::size_t at = 0;
  for (int s = 0; s < n; ++s) {
    T* const image = dx + s * in_.size();
    for (int i = 0; i < out_.h; ++i) {
      for (int j = 0; j < out_.w; ++j) {
        if (kind_ == PoolingKind::max) {
          for (int k = 0; k < in_.c; ++k, ++at) image[static_cast<int>(kept[at])] += dy[at];
          continue;
        }
        const Window w = window(i, j);
        const T share = T{1} / static_cast<T>((w.bottom - w.top) * (w.right - w.left));
        for (int row = w.top; row < w.bottom; ++row)
          for (int column = w.left; column < w.right; ++column)
            for (int k = 0; k < in_.c; ++k) image[(row * in_.w + column) * in_.c + k] += share * dy[at + k];
        at += in_.c;
      }
    }
  }
}

template <class T>
void Pooling<T>::backward(const Values<T>& v, const Gradients<T>& g) const {
  if (g.x) scatter(v.n, v.kept, g.y, g.x, g.add);
}

template <class T>
void Pooling<T>::forward_tangent(const Values<T>& v, const Tangents<T>& t) const {
  if (t.x) {
    gather(v.n, v.kept, t.x, t.y);
  } else {
    std::fill_n(t.y, v.n * out_.size(), T{});
  }
}

template <class T>
void Pooling<T>::backward_tangent(const Values<T>& v, const Tangents<T>& /*t*/, const Gradients<T>& /*g*/,
                                  const Gradients<T>& gt) const {
  if (gt.x) scatter(v.n, v.kept, gt.y, gt.x, gt.add);
}

template class Pooling<float>;
template class Pooling<double>;

}  // namespace soret::network
