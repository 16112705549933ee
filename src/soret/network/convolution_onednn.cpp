#if defined(SORET_HAVE_ONEDNN)

#include <fmt/format.h>
#include <omp.h>

#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <thread>
#include <tuple>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/network/convolution_kernels.hpp"
#include "soret/network/elementwise.hpp"

/// Convolutions by oneDNN. Activations stay channels-last; the kernel is turned into the layout that the
/// primitive asks for, which costs little beside the product.
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

/// A primitive expects as many threads as OpenMP promises when it is made; within a parallel region it would
/// get one and wait for the others for ever. This promises one there.
class OwnThreads {
 public:
  OwnThreads() : before_(omp_get_max_threads()) {
    if (omp_in_parallel()) omp_set_num_threads(1);
  }
  ~OwnThreads() { omp_set_num_threads(before_); }
  OwnThreads(const OwnThreads&) = delete;
  OwnThreads& operator=(const OwnThreads&) = delete;

 private:
  int before_;
};

/// One product for one number of samples, with the memory it needs. For one thread at a time.
struct Product {
  dnnl::primitive primitive;
  dnnl::reorder turn;  ///< of the kernel, to or from the primitive's layout
  memory x, y, kernel, turned;
  bool turns = false;
  Arguments arguments, turn_arguments;
};

class OneDnn final : public ConvolutionKernels<float> {
 public:
  explicit OneDnn(const ConvolutionSize& size) : size_(size) {}

  void forward(int n, const float* x, const float* w, float* y, bool add) override {
    const OwnThreads own;
    Product& p = product(add ? Kind::forward_add : Kind::forward, n);
    bind(p.x, x);
    bind(p.y, y);
    bind(p.kernel, w);
    if (p.turns) p.turn.execute(stream(), p.turn_arguments);
    p.primitive.execute(stream(), p.arguments);
  }

  void data_gradient(int n, const float* dy, const float* w, float* dx, bool add) override {
    const OwnThreads own;
    Product& p = product(Kind::data, n);
    const std::size_t size = static_cast<std::size_t>(n) * size_.in.size();
    float* const to = add ? scratch(size) : dx;
    bind(p.x, to);
    bind(p.y, dy);
    bind(p.kernel, w);
    if (p.turns) p.turn.execute(stream(), p.turn_arguments);
    p.primitive.execute(stream(), p.arguments);
    if (!add) return;
    put(size, dx, true, [to](std::size_t i) { return to[i]; });
  }

  void weight_gradient(int n, const float* x, const float* dy, float* dw) override {
    const OwnThreads own;
    Product& p = product(Kind::weights, n);
    bind(p.x, x);
    bind(p.y, dy);
    const std::size_t size = p.kernel.get_desc().get_size() / sizeof(float);
    float* const to = scratch(size);
    bind(p.kernel, to);
    p.primitive.execute(stream(), p.arguments);
    if (p.turns) p.turn.execute(stream(), p.turn_arguments);
    put(size, dw, true, [to](std::size_t i) { return to[i]; });
  }

 private:
  enum class Kind { forward, forward_add, data, weights };

  static dnnl::stream& stream() {
    thread_local dnnl::stream own(engine());
    return own;
  }
  static float* scratch(std::size_t size) {
    thread_local std::vector<float> memory;
    if (memory.size() < size) memory.resize(size);
    return memory.data();
  }

  /// The calling thread's own, for the number of threads that OpenMP has for it.
  Product& product(Kind kind, int n) {
    const auto key = std::tuple(std::this_thread::get_id(), kind, n, omp_get_max_threads());
    const std::lock_guard lock(mutex_);
    const auto found = products_.find(key);
    if (found != products_.end()) return found->second;
    return products_.emplace(key, make(kind, n)).first->second;
  }

  Product make(Kind kind, int n) const {
    using Tag = memory::format_tag;
    constexpr auto kFloat = memory::data_type::f32;
    const memory::desc x({n, size_.in.c, size_.in.h, size_.in.w}, kFloat, Tag::nhwc);
    const memory::desc y({n, size_.out.c, size_.out.h, size_.out.w}, kFloat, Tag::nhwc);
    const memory::dims kernel = {size_.out.c, size_.in.c, size_.kernel_h, size_.kernel_w};
    const memory::desc own(kernel, kFloat, Tag::ohwi);
    const memory::desc any(kernel, kFloat, Tag::any);
    const memory::dims stride = {size_.stride, size_.stride};
    const memory::dims before = {size_.pad, size_.pad};
    // What the last window needs beyond the image, not what the padding offers.
    const auto after = [&](int in, int out, int window) -> memory::dim {
      return (out - 1) * size_.stride + window - in - size_.pad;
    };
    const memory::dims behind = {after(size_.in.h, size_.out.h, size_.kernel_h),
                                 after(size_.in.w, size_.out.w, size_.kernel_w)};
    constexpr auto kDirect = dnnl::algorithm::convolution_direct;
    dnnl::primitive_attr adding;
    if (kind == Kind::forward_add) {
      dnnl::post_ops ops;
      ops.append_sum(1.0F);
      adding.set_post_ops(ops);
    }
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, kDirect, x, any, y, stride, before, behind}, adding, engine());

    Product p;
    memory::desc turned;
    if (kind == Kind::data) {
      const dnnl::convolution_backward_data::primitive_desc data({kDirect, x, any, y, stride, before, behind},
                                                                 engine(), forward);
      p.primitive = dnnl::convolution_backward_data(data);
      turned = data.weights_desc();
    } else if (kind == Kind::weights) {
      const dnnl::convolution_backward_weights::primitive_desc weights(
          {kDirect, x, any, y, stride, before, behind}, engine(), forward);
      p.primitive = dnnl::convolution_backward_weights(weights);
      turned = weights.diff_weights_desc();
    } else {
      p.primitive = dnnl::convolution_forward(forward);
      turned = forward.weights_desc();
    }
    p.x = unbound(x);
    p.y = unbound(y);
    p.kernel = unbound(own);
    p.turns = turned != own;
    p.turned = p.turns ? memory(turned, engine()) : p.kernel;
    if (p.turns) {
      const bool from_own = kind != Kind::weights;
      p.turn = from_own ? dnnl::reorder(p.kernel, p.turned) : dnnl::reorder(p.turned, p.kernel);
      p.turn_arguments = {{DNNL_ARG_FROM, from_own ? p.kernel : p.turned},
                          {DNNL_ARG_TO, from_own ? p.turned : p.kernel}};
    }
    if (kind == Kind::data) {
      p.arguments = {{DNNL_ARG_DIFF_DST, p.y}, {DNNL_ARG_WEIGHTS, p.turned}, {DNNL_ARG_DIFF_SRC, p.x}};
    } else if (kind == Kind::weights) {
      p.arguments = {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_DIFF_DST, p.y}, {DNNL_ARG_DIFF_WEIGHTS, p.turned}};
    } else {
      p.arguments = {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_WEIGHTS, p.turned}, {DNNL_ARG_DST, p.y}};
    }
    return p;
  }

  ConvolutionSize size_;
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
