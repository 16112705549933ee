#include <gtest/gtest.h>
#include <malloc.h>
#include <omp.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>

#include "soret/network/initialise.hpp"
#include "soret/network/models.hpp"
#include "soret/training/trainer.hpp"

/// Steps take no memory that the first ones did not leave. This binary's operator new counts.
namespace {

std::atomic<long> allocations{0};  // NOLINT(misc-use-internal-linkage)
std::atomic<long> blocks{0};       ///< allocated and not freed

void* counted(std::size_t size) {
  ++allocations;
  ++blocks;
  void* const p = std::malloc(size);
  if (!p) throw std::bad_alloc();
  return p;
}
void* counted(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  ++blocks;
  const auto a = static_cast<std::size_t>(alignment);
  void* const p = std::aligned_alloc(a, (size + a - 1) / a * a);
  if (!p) throw std::bad_alloc();
  return p;
}
void release(void* p) {
  if (!p) return;
  --blocks;
  std::free(p);
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size);
}
void* operator new[](std::size_t size) {
  return counted(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return counted(size, alignment);
}
void operator delete(void* p) noexcept {
  release(p);
}
void operator delete[](void* p) noexcept {
  release(p);
}
void operator delete(void* p, std::size_t) noexcept {
  release(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  release(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  release(p);
}
void operator delete[](void* p, std::align_val_t) noexcept {
  release(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  release(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  release(p);
}

namespace soret::training {
namespace {

using network::HeadKind;
using network::Network;

struct Used {
  long allocations, blocks;
  std::size_t bytes;  ///< of the main thread's arena
};
Used used() {
  return {allocations, blocks, mallinfo2().uordblks};
}

/// What three epochs of steps, each with a Hessian-vector product, take after two have warmed up.
Used taken(const Network<float>& net, int chunk, int threads, const Penalty& penalty = {}) {
  constexpr int kSamples = 22;
  constexpr int kEpoch = 3;  // batches of 8, 8 and 6
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  data::Dataset waves{.name = "waves",
                      .channels = net.input().c,
                      .height = net.input().h,
                      .width = net.input().w,
                      .classes = 3,
                      .images = std::vector<float>(kSamples * net.input().size()),
                      .labels = std::vector<std::int32_t>(kSamples)};
  for (std::size_t i = 0; i < waves.images.size(); ++i)
    waves.images[i] = std::sin(0.37F * static_cast<float>(i));
  for (int i = 0; i < kSamples; ++i) waves.labels[i] = i % 3;
  const Recipe recipe{
      .optimizer = {.kind = OptimizerKind::adam}, .schedule = {}, .batch_size = 8, .penalty = penalty};
  auto state =
      initial_training_state(net, recipe, initial_parameters(net, network::Initialisation::he_normal, 1));
  Trainer trainer(net, HeadKind::softmax, chunk, recipe, waves, state);
  network::Pass<float> pass(net, 8);
  std::vector<float> g(net.parameter_count());
  std::vector<float> product(net.parameter_count());
  const network::Targets<float> targets{waves.labels.data(), nullptr, false};
  const auto epochs = [&](int count) {
    for (int k = 0; k < count * kEpoch; ++k) {
      trainer.step();
      network::gradient(net, HeadKind::softmax, pass, 8, waves.images.data(), targets, 0.125,
                        state.parameters.data(), state.statistics.data(), {}, g.data());
      network::hessian_vector(net, HeadKind::softmax, pass, targets, 0.125, state.parameters.data(), g.data(),
                              product.data());
    }
  };
  epochs(2);
  const Used start = used();
  epochs(3);
  const Used end = used();
  omp_set_num_threads(before);
  return {end.allocations - start.allocations, end.blocks - start.blocks, end.bytes - start.bytes};
}

void expect_no_growth(const Network<float>& net) {
  for (const int threads : {1, 2}) {
    for (const int chunk : {2, 8}) {
      const Used u = taken(net, chunk, threads);
      EXPECT_EQ(u.blocks, 0) << threads << " threads, chunks of " << chunk;
      EXPECT_TRUE(threads > 1 || u.bytes == 0) << u.bytes << " bytes, chunks of " << chunk;
    }
  }
}

// Dense layers take nothing at all.
TEST(Memory, MultilayerPerceptronsTakeNone) {
  constexpr std::array widths = {300, 200, 10};
  const auto net = network::multilayer_perceptron<float>({1, 1, 50}, widths, network::ActivationKind::relu);
  expect_no_growth(net);
  EXPECT_EQ(taken(net, 8, 1).allocations, 0);
  EXPECT_EQ(taken(network::f2<float>({1, 1, 30}, 10, 0), 8, 1).allocations, 0);
}

// Nor do penalties, exact or by differences, of any kind.
TEST(Memory, PenaltiesTakeNone) {
  const auto net = network::f2<float>({1, 1, 30}, 10, 0);
  for (const PenaltyKind kind : {PenaltyKind::gradient_norm, PenaltyKind::fisher_trace,
                                 PenaltyKind::average_jacobian, PenaltyKind::unit_jacobian}) {
    for (const bool difference : {false, true}) {
      const Used u = taken(net, 2, 1, {.kind = kind, .finite_difference = difference});
      EXPECT_EQ(u.allocations, 0) << static_cast<int>(kind);
    }
  }
}

// oneDNN takes some for each call and gives it back.
TEST(Memory, ConvolutionsDoNotGrow) {
  expect_no_growth(network::convolutional<float>({12, 12, 1}, 4, 5, 2, 10, network::ActivationKind::relu));
  expect_no_growth(network::c1<float>({17, 17, 2}, 10, 0));
  expect_no_growth(network::resnet18<float>({8, 8, 3}, 10, 16, 0));
}

}  // namespace
}  // namespace soret::training
