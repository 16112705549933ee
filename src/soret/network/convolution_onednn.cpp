#if defined(SORET_HAVE_ONEDNN)

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <thread>
#include <tuple>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/network/convolution_kernels.hpp"
#include "soret/network/elementwise.hpp"
#include "soret/network/parallel.hpp"
#include "soret/network/scratch.hpp"

/// Convolutions by oneDNN. Activations stay channels-last; the kernel is turned into the layout that the
/// primitive asks for, which costs little beside the product. How oneDNN adds up depends on its threads: so
/// it gets one, and the parts of a product are tasks here.
///
/// Many small 3 x 3 windows of few channels take the algorithm of Winograd F(4 x 4, 3 x 3) (Lavin and Gray,
/// arXiv:1509.09308): a quarter of the multiplications, for about twice the rounding error of a direct
/// sum. It wants blocks of channels, so the activations of a
/// part are turned, too, within the cache.
namespace soret::network {
namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

using Arguments = std::unordered_map<int, memory>;

memory unbound(const memory::desc& layout) {
  return {layout, engine(), nullptr};
}
void bind(const memory& to, const float* data) {
  to.set_data_handle(const_cast<float*>(data));  // oneDNN's interface has no constant memory
}

/// Memory that the calling thread keeps for whatever its call needs besides.
enum class Use { turned, parts, primitive, blocked_x, blocked_y };
template <Use USE>
float* scratch(std::size_t size) {
  thread_local Scratch<float> memory;
  return memory.get(size);
}

dnnl::stream& stream() {
  thread_local dnnl::stream own(engine());
  return own;
}

std::size_t floats(const memory::desc& layout) {
  return layout.get_size() / sizeof(float);
}

/// From the layout of the network to that of a primitive, or back, added where asked for.
struct Turn {
  Turn() = default;
  Turn(const memory::desc& from_layout, const memory::desc& to_layout, bool add)
      : from(unbound(from_layout)), to(unbound(to_layout)) {
    dnnl::primitive_attr adding;
    if (add) {
      dnnl::post_ops ops;
      ops.append_sum(1.0F);
      adding.set_post_ops(ops);
    }
    reorder = dnnl::reorder(from, to, adding);
    arguments = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  }
  void operator()(const float* a, float* b) const {
    bind(from, a);
    bind(to, b);
    reorder.execute(stream(), arguments);
  }

  memory from, to;
  dnnl::reorder reorder;
  Arguments arguments;
};

enum class Kind { forward, forward_add, data, data_add, weights };
bool gives_y(Kind kind) {
  return kind == Kind::forward || kind == Kind::forward_add;
}
bool gives_x(Kind kind) {
  return kind == Kind::data || kind == Kind::data_add;
}
bool adds(Kind kind) {
  return kind == Kind::forward_add || kind == Kind::data_add;
}

/// One call of oneDNN by one thread: some samples and all channels, or all samples and some channels.
struct Part {
  int first_sample, samples, first_channel, channels;
  bool winograd = false;
  Kind kind{};
  Turn turn{};              ///< of its kernel, where parts are by channels
  Turn turn_x{}, turn_y{};  ///< into blocks of channels, or out of them for what is the result; of Winograd
  dnnl::primitive primitive{};
  memory x{}, y{}, kernel{}, scratchpad{};
  Arguments arguments{};

  void operator()(const float* of_x, const float* of_y, const float* of_kernel) const {
    const OneThread one;
    if (!winograd) return execute(of_x, of_y, of_kernel);
    float* const blocked_x = scratch<Use::blocked_x>(floats(x.get_desc()));
    float* const blocked_y = scratch<Use::blocked_y>(floats(y.get_desc()));
    if (!gives_x(kind)) turn_x(of_x, blocked_x);
    if (!gives_y(kind)) turn_y(of_y, blocked_y);
    execute(blocked_x, blocked_y, of_kernel);
    if (gives_x(kind)) turn_x(blocked_x, const_cast<float*>(of_x));
    if (gives_y(kind)) turn_y(blocked_y, const_cast<float*>(of_y));
  }

 private:
  void execute(const float* of_x, const float* of_y, const float* of_kernel) const {
    bind(x, of_x);
    bind(y, of_y);
    bind(kernel, of_kernel);
    bind(scratchpad, scratch<Use::primitive>(floats(scratchpad.get_desc())));
    primitive.execute(stream(), arguments);
  }
};

/// A product for one number of samples, with the memory objects that it needs: for one calling thread at a
/// time.
struct Product {
  std::vector<Part> parts;
  bool by_channels;
  Turn turn;                ///< of the kernel, where parts are by samples
  std::size_t turned_size;  ///< of a turned kernel; 0: it stays as it is
};

/// Which calls make up a product depends on its size alone. By samples, and where these are few for kernels
/// so large that adding up their gradients would cost as much as finding them, by output channels.
class OneDnn final : public ConvolutionKernels<float> {
 public:
  explicit OneDnn(const ConvolutionSize& size) : s_(size) {}

  void forward(int n, const float* x, const float* w, float* y, bool add) override {
    const Kind kind = add ? Kind::forward_add : Kind::forward;
    Product& p = product(kind, n);
    if (p.by_channels) {
      // Every part leaves its channels side by side, from where they go to their places.
      float* const turned = scratch<Use::turned>(p.turned_size * p.parts.size());
      float* const outputs = scratch<Use::parts>(n * s_.out.size());
      each_task(static_cast<int>(p.parts.size()), work(n), [&](int i) {
        const Part& part = p.parts[i];
        float* const kernel = turned + i * p.turned_size;
        part.turn(w + part.first_channel * window(), kernel);
        float* const out = outputs + static_cast<std::size_t>(part.first_channel) * pixels(n);
        part(x, out, kernel);
        copy_channels(part, n, add, out, y);
      });
      return;
    }
    const float* const kernel = turned_kernel(p, w);
    each_task(static_cast<int>(p.parts.size()), work(n), [&](int i) {
      const Part& part = p.parts[i];
      part(x + part.first_sample * s_.in.size(), y + part.first_sample * s_.out.size(), kernel);
    });
  }

  void data_gradient(int n, const float* dy, const float* w, float* dx, bool add) override {
    const Kind kind = add ? Kind::data_add : Kind::data;
    Product& p = product(kind, n);
    const float* const kernel = turned_kernel(p, w);
    const std::size_t size = s_.in.size();
    each_task(static_cast<int>(p.parts.size()), work(n), [&](int i) {
      const Part& part = p.parts[i];
      float* const own = dx + part.first_sample * size;
      const bool aside = add && !part.winograd;  // oneDNN does not add to it
      float* const to = aside ? scratch<Use::parts>(part.samples * size) : own;
      part(to, dy + part.first_sample * s_.out.size(), kernel);
      if (aside) put(part.samples * size, own, true, [to](std::size_t k) { return to[k]; });
    });
  }

  void weight_gradient(int n, const float* x, const float* dy, float* dw) override {
    Product& p = product(Kind::weights, n);
    const int parts = static_cast<int>(p.parts.size());
    float* const sums = scratch<Use::turned>(p.turned_size * p.parts.size());
    float* const outputs = p.by_channels ? scratch<Use::parts>(n * s_.out.size()) : nullptr;
    each_task(parts, work(n), [&](int i) {
      const Part& part = p.parts[i];
      float* const sum = sums + i * p.turned_size;
      if (p.by_channels) {
        float* const out = outputs + static_cast<std::size_t>(part.first_channel) * pixels(n);
        take_channels(part, n, dy, out);
        part(x, out, sum);
        part.turn(sum, dw + part.first_channel * window());
      } else {
        part(x + part.first_sample * s_.in.size(), dy + part.first_sample * s_.out.size(), sum);
      }
    });
    if (p.by_channels) return;
    each_run(p.turned_size, parts, [=, size = p.turned_size](std::size_t first, std::size_t last) {
      for (int i = 1; i < parts; ++i)
#pragma GCC ivdep
        for (std::size_t k = first; k < last; ++k) sums[k] += sums[i * size + k];
    });
    p.turn(sums, dw);
  }

 private:
  static constexpr int kMostParts = 8;

  std::size_t window() const {
    return static_cast<std::size_t>(s_.kernel_h) * s_.kernel_w * s_.in.c;
  }
  std::size_t pixels(int n) const {
    return static_cast<std::size_t>(n) * s_.out.h * s_.out.w;
  }
  double work(int n) const {  // multiplications are done 16 at a time
    return static_cast<double>(pixels(n)) * static_cast<double>(window()) * s_.out.c / 16;
  }

  void copy_channels(const Part& part, int n, bool add, const float* from, float* y) const {
    for (std::size_t r = 0; r < pixels(n); ++r) {
      float* const to = y + r * s_.out.c + part.first_channel;
      const float* const source = from + r * part.channels;
#pragma GCC ivdep
      for (int k = 0; k < part.channels; ++k) to[k] = (add ? to[k] : 0.0F) + source[k];
    }
  }
  void take_channels(const Part& part, int n, const float* dy, float* to) const {
    for (std::size_t r = 0; r < pixels(n); ++r)
      std::copy_n(dy + r * s_.out.c + part.first_channel, part.channels, to + r * part.channels);
  }

  static const float* turned_kernel(const Product& p, const float* w) {
    if (p.turned_size == 0) return w;
    float* const turned = scratch<Use::turned>(p.turned_size);
    p.turn(w, turned);
    return turned;
  }

  /// The calling thread's own, for the number of threads that OpenMP has for it: turns are made for that
  /// number, and just move numbers, whoever moves them.
  Product& product(Kind kind, int n) {
    const int threads = omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
    const auto key = std::tuple(std::this_thread::get_id(), kind, n, threads);
    const std::lock_guard lock(mutex_);
    const auto found = products_.find(key);
    if (found != products_.end()) return found->second;
    return products_.emplace(key, make(kind, n)).first->second;
  }

  Product make(Kind kind, int n) const {
    constexpr int kChannels = 64;  // of a part by channels
    constexpr int kPixels = 1024;  // of a part's gradient of the kernel
    constexpr double kWork = 1e5;  // of a part
    const auto all_pixels = static_cast<double>(pixels(n));
    double parts = std::min({work(n) / kWork, static_cast<double>(n), static_cast<double>(kMostParts)});
    if (kind == Kind::weights) parts = std::min(parts, all_pixels / kPixels);
    Product p{};
    const int winograd = winograd_parts(n);
    if (winograd > 0) parts = winograd;
    p.by_channels = winograd == 0 && !gives_x(kind) && s_.out.c % kChannels == 0 && s_.out.c > kChannels &&
                    all_pixels < 4 * kPixels;
    if (p.by_channels) {
      for (int first = 0; first < s_.out.c; first += kChannels) p.parts.push_back({0, n, first, kChannels});
    } else {
      const int count = std::max(1, static_cast<int>(parts));
      for (int i = 0; i < count; ++i) {
        const auto first = static_cast<int>(first_of(i, count, static_cast<std::size_t>(n)));
        const auto last = static_cast<int>(first_of(i + 1, count, static_cast<std::size_t>(n)));
        p.parts.push_back({first, last - first, 0, s_.out.c});
      }
    }
    memory::desc turned;
    {
      const OneThread one;
      for (Part& part : p.parts) {
        part.winograd = winograd > 0;
        part.kind = kind;
        turned = make(part);
      }
    }
    const memory::desc own(kernel_dims(p.parts[0].channels), memory::data_type::f32,
                           memory::format_tag::ohwi);
    const bool gradient = kind == Kind::weights;
    p.turned_size = gradient || p.by_channels || turned != own ? floats(turned) : 0;
    if (p.turned_size == 0) return p;
    const auto turn = [&] { return gradient ? Turn(turned, own, true) : Turn(own, turned, false); };
    if (p.by_channels) {
      const OneThread one;
      for (Part& part : p.parts) part.turn = turn();
    } else {
      p.turn = turn();
    }
    return p;
  }

  /// Into how many parts Winograd's algorithm takes n samples; 0: it does not. Every part turns the 9 numbers
  /// of a window of the kernel into 36, which pays if it has as many tiles as there are channels.
  int winograd_parts(int n) const {
    constexpr int kBlock = 16;
    constexpr int kTile = 4;
    const bool fits = s_.kernel_h == 3 && s_.kernel_w == 3 && s_.stride == 1 && s_.pad == 1 &&
                      s_.in.c % kBlock == 0 && s_.out.c % kBlock == 0;
    if (!fits || !has_winograd()) return 0;
    const auto along = [](int size) { return (size + kTile - 1) / kTile; };
    const int tiles = n * along(s_.out.h) * along(s_.out.w);
    const int parts = std::min({kMostParts, n, tiles / std::max(s_.in.c, s_.out.c)});
    return parts >= std::min(n, 2) ? parts : 0;
  }

  /// Of this processor: all three products.
  static bool has_winograd() {
    static const bool has = [] {
      using Tag = memory::format_tag;
      constexpr auto kWinograd = dnnl::algorithm::convolution_winograd;
      const memory::desc image({1, 16, 8, 8}, memory::data_type::f32, Tag::any);
      const memory::desc kernel({16, 16, 3, 3}, memory::data_type::f32, Tag::any);
      const memory::dims one = {1, 1};
      try {
        const dnnl::convolution_forward::primitive_desc forward(
            {dnnl::prop_kind::forward_training, kWinograd, image, kernel, image, one, one, one}, engine());
        const dnnl::convolution_backward_data::primitive_desc data(
            {kWinograd, image, kernel, image, one, one, one}, engine(), forward);
        const dnnl::convolution_backward_weights::primitive_desc weights(
            {kWinograd, image, kernel, image, one, one, one}, engine(), forward);
        return true;
      } catch (const dnnl::error&) {
        return false;
      }
    }();
    return has;
  }

  memory::dims kernel_dims(int channels) const {
    return {channels, s_.in.c, s_.kernel_h, s_.kernel_w};
  }

  /// Makes the primitive of a part; the layout that it wants of its kernel.
  memory::desc make(Part& p) const {
    const Kind kind = p.kind;
    using Tag = memory::format_tag;
    constexpr auto kFloat = memory::data_type::f32;
    const memory::dims x_dims = {p.samples, s_.in.c, s_.in.h, s_.in.w};
    const memory::dims y_dims = {p.samples, p.channels, s_.out.h, s_.out.w};
    const Tag tag = p.winograd ? Tag::any : Tag::nhwc;
    const memory::desc x(x_dims, kFloat, tag);
    const memory::desc y(y_dims, kFloat, tag);
    const memory::desc any(kernel_dims(p.channels), kFloat, Tag::any);
    const memory::dims stride = {s_.stride, s_.stride};
    const memory::dims before = {s_.pad, s_.pad};
    // What the last window needs beyond the image, not what the padding offers.
    const auto after = [&](int in, int out, int size) -> memory::dim {
      return (out - 1) * s_.stride + size - in - s_.pad;
    };
    const memory::dims behind = {after(s_.in.h, s_.out.h, s_.kernel_h),
                                 after(s_.in.w, s_.out.w, s_.kernel_w)};
    const auto algorithm =
        p.winograd ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct;
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (kind == Kind::forward_add && p.channels == s_.out.c && !p.winograd) {
      dnnl::post_ops ops;
      ops.append_sum(1.0F);
      attributes.set_post_ops(ops);
    }
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, algorithm, x, any, y, stride, before, behind}, attributes,
        engine());
    const auto finish = [&](const auto& descriptor, const memory::desc& of_x, const memory::desc& of_y,
                            const memory::desc& kernel) {
      p.x = unbound(of_x);
      p.y = unbound(of_y);
      p.kernel = unbound(kernel);
      p.scratchpad = unbound(descriptor.scratchpad_desc());
      const auto turn = [&](const memory::dims& dims, const memory::desc& blocked, bool result) {
        const memory::desc own(dims, kFloat, Tag::nhwc);
        return result ? Turn(blocked, own, adds(kind)) : Turn(own, blocked, false);
      };
      if (p.winograd) {
        p.turn_x = turn(x_dims, of_x, gives_x(kind));
        p.turn_y = turn(y_dims, of_y, gives_y(kind));
      }
      return kernel;
    };
    memory::desc kernel;
    if (gives_x(kind)) {
      const dnnl::convolution_backward_data::primitive_desc data(
          {algorithm, x, any, y, stride, before, behind}, attributes, engine(), forward);
      p.primitive = dnnl::convolution_backward_data(data);
      kernel = finish(data, data.diff_src_desc(), data.diff_dst_desc(), data.weights_desc());
      p.arguments = {{DNNL_ARG_DIFF_DST, p.y}, {DNNL_ARG_WEIGHTS, p.kernel}, {DNNL_ARG_DIFF_SRC, p.x}};
    } else if (kind == Kind::weights) {
      const dnnl::convolution_backward_weights::primitive_desc weights(
          {algorithm, x, any, y, stride, before, behind}, attributes, engine(), forward);
      p.primitive = dnnl::convolution_backward_weights(weights);
      kernel = finish(weights, weights.src_desc(), weights.diff_dst_desc(), weights.diff_weights_desc());
      p.arguments = {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_DIFF_DST, p.y}, {DNNL_ARG_DIFF_WEIGHTS, p.kernel}};
    } else {
      p.primitive = dnnl::convolution_forward(forward);
      kernel = finish(forward, forward.src_desc(), forward.dst_desc(), forward.weights_desc());
      p.arguments = {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_WEIGHTS, p.kernel}, {DNNL_ARG_DST, p.y}};
    }
    p.arguments.insert({DNNL_ARG_SCRATCHPAD, p.scratchpad});
    return kernel;
  }

  ConvolutionSize s_;
  std::mutex mutex_;
  std::map<std::tuple<std::thread::id, Kind, int, int>, Product> products_;
};

}  // namespace

template <>
std::shared_ptr<ConvolutionKernels<float>> convolution_kernels(const ConvolutionSize& size) {
  return std::make_shared<OneDnn>(size);
}

}  // namespace soret::network

#endif
