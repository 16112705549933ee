#include <algorithm>
#include <cstring>

#include "soret/network/convolution_kernels.hpp"
#include "soret/network/gemm.hpp"
#include "soret/network/parallel.hpp"
#include "soret/network/scratch.hpp"

namespace soret::network {
namespace {

template <class T>
class Unfolded final : public ConvolutionKernels<T> {
 public:
  explicit Unfolded(const ConvolutionSize& size) : s_(size) {}

  void forward(int n, const T* x, const T* w, T* y, bool add) override {
    each_task(n, work(n), [&](int i) {
      T* const p = patches();
      unfold(x + i * s_.in.size(), p);
      multiply(false, true, places(), s_.out.c, patch(), p, w, y + i * s_.out.size(), add);
    });
  }

  void data_gradient(int n, const T* dy, const T* w, T* dx, bool add) override {
    each_task(n, work(n), [&](int i) {
      T* const p = patches();
      multiply(false, false, places(), patch(), s_.out.c, dy + i * s_.out.size(), w, p, false);
      T* const image = dx + i * s_.in.size();
      if (!add) std::fill_n(image, s_.in.size(), T{});
      fold(p, image);
    });
  }

  void weight_gradient(int n, const T* x, const T* dy, T* dw) override {
    T* const p = patches();
    for (int i = 0; i < n; ++i) {
      unfold(x + i * s_.in.size(), p);
      multiply(true, false, s_.out.c, patch(), places(), dy + i * s_.out.size(), p, dw, true);
    }
  }

 private:
  int places() const { return s_.out.h * s_.out.w; }
  int patch() const { return s_.kernel_h * s_.kernel_w * s_.in.c; }
  double work(int n) const { return static_cast<double>(n) * places() * patch() * s_.out.c; }
  /// [place][patch], of the calling thread.
  T* patches() const {
    thread_local Scratch<T> memory;
    return memory.get(static_cast<std::size_t>(places()) * patch());
  }

  /// Calls visit(place in the patch, place in the image or -1 outside) for every pixel of every patch.
  template <class F>
  void each_pixel(F visit) const {
    std::size_t at = 0;
    for (int i = 0; i < s_.out.h; ++i)
      for (int j = 0; j < s_.out.w; ++j)
        for (int a = 0; a < s_.kernel_h; ++a)
          for (int b = 0; b < s_.kernel_w; ++b, at += s_.in.c) {
            const int row = i * s_.stride + a - s_.pad;
            const int column = j * s_.stride + b - s_.pad;
            const bool inside = row >= 0 && row < s_.in.h && column >= 0 && column < s_.in.w;
            visit(at, inside ? (static_cast<std::ptrdiff_t>(row) * s_.in.w + column) * s_.in.c : -1);
          }
  }

  /// patches are [place][a][b][c]
  void unfold(const T* image, T* to_patches) const {
    each_pixel([&](std::size_t to, std::ptrdiff_t from) {
      if (from < 0) {
        std::fill_n(to_patches + to, s_.in.c, T{});
      } else {
        std::copy_n(image + from, s_.in.c, to_patches + to);
      }
    });
  }
  void fold(const T* from_patches, T* image) const {
    each_pixel([&](std::size_t from, std::ptrdiff_t to) {
      if (to < 0) return;
      for (int c = 0; c < s_.in.c; ++c) image[to + c] += from_patches[from + c];
    });
  }

  ConvolutionSize s_;
};

}  // namespace

template <class T>
std::shared_ptr<ConvolutionKernels<T>> unfolded_convolution(const ConvolutionSize& size) {
  return std::make_shared<Unfolded<T>>(size);
}

template std::shared_ptr<ConvolutionKernels<float>> unfolded_convolution(const ConvolutionSize&);
template std::shared_ptr<ConvolutionKernels<double>> unfolded_convolution(const ConvolutionSize&);

template <>
std::shared_ptr<ConvolutionKernels<double>> convolution_kernels(const ConvolutionSize& size) {
  return unfolded_convolution<double>(size);
}
#if !defined(SORET_HAVE_ONEDNN)
template <>
std::shared_ptr<ConvolutionKernels<float>> convolution_kernels(const ConvolutionSize& size) {
  return unfolded_convolution<float>(size);
}
#endif

}  // namespace soret::network
