#include "soret/network/pooling.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "soret/base/error.hpp"
#include "soret/network/elementwise.hpp"

namespace soret::network {

template <class T>
Pooling<T>::Pooling(const Shape& input, PoolingKind kind, int window, int stride, int pad)
    : in_(input), kind_(kind), window_(window), stride_(stride), pad_(pad) {
  if (window < 1 || stride < 1 || pad < 0) {
    throw ConfigError(
        fmt::format("a pooling window of {} x {} with stride {} and padding {}: window and stride must be "
                    "at least 1, padding at least 0",
                    window, window, stride, pad));
  }
  if (window > std::min(input.h, input.w) + 2 * pad) {
    throw ConfigError(fmt::format("a pooling window of {} x {} is larger than its input {} with padding {}",
                                  window, window, text(input), pad));
  }
  if (pad >= window)
    throw ConfigError(fmt::format("padding {} of a pooling window of {} x {} must be smaller than it", pad,
                                  window, window));
  out_ = {(input.h + 2 * pad - window) / stride + 1, (input.w + 2 * pad - window) / stride + 1, input.c};
}

template <class T>
Pooling<T>::Pooling(const Shape& input, PoolingKind kind, const Shape& output)
    : in_(input), out_(output), kind_(kind) {}

template <class T>
Pooling<T> Pooling<T>::adaptive(const Shape& input, PoolingKind kind, int h, int w) {
  if (h < 1 || w < 1) throw ConfigError(fmt::format("pooling to {} x {}: sizes must be at least 1", h, w));
  return Pooling(input, kind, {h, w, input.c});
}

template <class T>
typename Pooling<T>::Window Pooling<T>::window(int i, int j) const {
  if (window_ == 0) {
    const auto share = [](int place, int size, int parts) { return place * size / parts; };
    const auto end = [](int place, int size, int parts) { return ((place + 1) * size + parts - 1) / parts; };
    return {share(i, in_.h, out_.h), end(i, in_.h, out_.h), share(j, in_.w, out_.w), end(j, in_.w, out_.w)};
  }
  const int top = i * stride_ - pad_;
  const int left = j * stride_ - pad_;
  return {std::max(top, 0), std::min(top + window_, in_.h), std::max(left, 0),
          std::min(left + window_, in_.w)};
}

template <class T>
template <class F>
void Pooling<T>::each_window(int n, F f) const {
  const Window corner = window(0, 0);
  const double work =
      static_cast<double>(out_.size()) * (corner.bottom - corner.top) * (corner.right - corner.left);
  each_run(static_cast<std::size_t>(n), work, [&](std::size_t first, std::size_t last) {
    for (std::size_t s = first; s < last; ++s) {
      std::size_t at = s * out_.size();
      for (int i = 0; i < out_.h; ++i)
        for (int j = 0; j < out_.w; ++j, at += static_cast<std::size_t>(out_.c)) f(s, window(i, j), at);
    }
  });
}

template <class T>
template <class F>
void Pooling<T>::each_pixel(const Window& w, F f) const {
  for (int row = w.top; row < w.bottom; ++row)
    for (int column = w.left; column < w.right; ++column) f((row * in_.w + column) * in_.c);
}

template <class T>
void Pooling<T>::forward(const Values<T>& v, const Mode& /*mode*/, const T* /*state*/) const {
  if (kind_ == PoolingKind::average) {
    gather(v.n, v.kept, v.x, v.y);
    return;
  }
  each_window(v.n, [&](std::size_t s, const Window& w, std::size_t at) {
    const T* const image = v.x + s * in_.size();
    T* const best = v.y + at;
    T* const place = v.kept + at;  // whole numbers, exact: an image has fewer than 2^24 values
    const int start = (w.top * in_.w + w.left) * in_.c;
    std::copy_n(image + start, in_.c, best);
    for (int k = 0; k < in_.c; ++k) place[k] = static_cast<T>(start + k);
    each_pixel(w, [=, channels = in_.c](int pixel) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) {
        const T x = image[pixel + k];
        const bool better = x > best[k];
        best[k] = better ? x : best[k];
        place[k] = better ? static_cast<T>(pixel + k) : place[k];
      }
    });
  });
}

template <class T>
void Pooling<T>::gather(int n, const T* kept, const T* x, T* y) const {
  const int channels = in_.c;
  each_window(n, [&](std::size_t s, const Window& w, std::size_t at) {
    const T* const image = x + s * in_.size();
    T* const out = y + at;
    if (kind_ == PoolingKind::max) {
      for (int k = 0; k < channels; ++k) out[k] = image[static_cast<int>(kept[at + k])];
      return;
    }
    std::fill_n(out, channels, T{});
    each_pixel(w, [=](int pixel) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) out[k] += image[pixel + k];
    });
    const T share = T{1} / static_cast<T>((w.bottom - w.top) * (w.right - w.left));
    for (int k = 0; k < channels; ++k) out[k] *= share;
  });
}

// Windows may overlap, but those of different samples do not.
template <class T>
void Pooling<T>::scatter(int n, const T* kept, const T* dy, T* dx, bool add) const {
  const int channels = in_.c;
  if (!add) put(n * in_.size(), dx, false, [](std::size_t) { return T{}; });
  each_window(n, [&](std::size_t s, const Window& w, std::size_t at) {
    T* const image = dx + s * in_.size();
    const T* const from = dy + at;
    if (kind_ == PoolingKind::max) {
      for (int k = 0; k < channels; ++k) image[static_cast<int>(kept[at + k])] += from[k];
      return;
    }
    const T share = T{1} / static_cast<T>((w.bottom - w.top) * (w.right - w.left));
    each_pixel(w, [=](int pixel) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) image[pixel + k] += share * from[k];
    });
  });
}

template <class T>
void Pooling<T>::backward(const Values<T>& v, const Gradients<T>& g) const {
  scatter(v.n, v.kept, g.y, g.x, g.add);
}

template <class T>
void Pooling<T>::forward_tangent(const Values<T>& v, const Tangents<T>& t) const {
  gather(v.n, v.kept, t.x, t.y);
}

template <class T>
void Pooling<T>::backward_tangent(const Values<T>& v, const Tangents<T>& /*t*/, const Gradients<T>& /*g*/,
                                  const Gradients<T>& gt) const {
  scatter(v.n, v.kept, gt.y, gt.x, gt.add);
}

template class Pooling<float>;
template class Pooling<double>;

}  // namespace soret::network
