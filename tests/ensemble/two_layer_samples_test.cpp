#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"
#include "tests/ensemble/replay.hpp"
#include "tests/oracles/statistics.hpp"

/// What networks start from and what they are shown.
namespace soret::two_layer {
namespace {

using oracle::kFiveSigma;
using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::Not;

constexpr float kEps = std::numeric_limits<float>::epsilon();

std::uint32_t word(const Stream& stream, std::uint64_t block, std::size_t k) {
  const auto b = stream.block(block + k / 4);
  return std::array{b.x, b.y, b.z, b.w}[k % 4];
}

float normal(const Stream& stream, std::uint64_t block, std::size_t k) {
  const auto b = stream.block(block + k / 4);
  std::array<float, 4> n;
  normal_pair(b.x, b.y, n[0], n[1]);
  normal_pair(b.z, b.w, n[2], n[3]);
  return n[k % 4];
}

std::vector<float> inputs_of(const Problem& p, std::uint32_t trajectory, std::uint64_t first, int count) {
  std::vector<float> x(static_cast<std::size_t>(count) * p.inputs);
  fresh_inputs(p, trajectory, first, count, x.data());
  return x;
}

std::vector<float> targets_of(const Problem& p, std::uint32_t trajectory, std::uint64_t first, int count) {
  const std::vector<float> x = inputs_of(p, trajectory, first, count);
  std::vector<float> t(static_cast<std::size_t>(count) * p.outputs);
  fresh_targets(p, teacher_of(p), trajectory, first, count, x.data(), t.data());
  return t;
}

TEST(TwoLayerInitial, FrameworkUniformHasItsBoundsAndItsPlaceInTheStream) {
  const Problem p = make_problem({17, 33, 4}, Activation::relu, Loss::squared);
  const Parameters start = initial_parameters(p, 6);
  const Stream stream{p.seed, Purpose::initial_parameters, 6};
  const auto expected = [&](std::uint64_t block, std::size_t k, double fan_in) {
    return (2 * static_cast<double>(uniform<float>(word(stream, block, k))) - 1) / std::sqrt(fan_in);
  };
  const std::uint64_t b_block = (17 * 33 + 3) / 4;
  const std::uint64_t v_block = b_block + (33 + 3) / 4;
  ASSERT_EQ(start.w.size(), 33U * 17U);
  ASSERT_EQ(start.b.size(), 33U);
  ASSERT_EQ(start.v.size(), 4U * 33U);
  for (std::size_t k = 0; k < start.w.size(); ++k) EXPECT_NEAR(start.w[k], expected(0, k, 17), kEps);
  for (std::size_t k = 0; k < start.b.size(); ++k) EXPECT_NEAR(start.b[k], expected(b_block, k, 17), kEps);
  for (std::size_t k = 0; k < start.v.size(); ++k) EXPECT_NEAR(start.v[k], expected(v_block, k, 33), kEps);
}

TEST(TwoLayerInitial, BiasesAreZeroWithoutBiasAndUnderNormalInitialisations) {
  Problem p = make_problem({7, 19, 4}, Activation::relu, Loss::squared);
  const Parameters with_bias = initial_parameters(p, 0);
  EXPECT_THAT(with_bias.b, Not(Each(0.0F)));
  p.bias = false;
  const Parameters without = initial_parameters(p, 0);
  EXPECT_THAT(without.b, Each(0.0F));
  EXPECT_EQ(without.b.size(), 19U);
  EXPECT_EQ(without.w, with_bias.w);
  EXPECT_EQ(without.v, with_bias.v);
  for (const Initialisation kind : {Initialisation::he, Initialisation::lecun, Initialisation::normal}) {
    for (const bool bias : {true, false}) {
      p.initialisation = kind;
      p.bias = bias;
      EXPECT_THAT(initial_parameters(p, 3).b, Each(0.0F));
    }
  }
}

TEST(TwoLayerInitial, IsAFunctionOfSeedAndTrajectory) {
  Problem p = make_problem({7, 19, 4}, Activation::relu, Loss::squared);
  const Parameters a = initial_parameters(p, 5);
  EXPECT_NE(a.w, initial_parameters(p, 6).w);
  p.batch_size = 9;
  p.learning_rate = 1;
  EXPECT_EQ(a.w, initial_parameters(p, 5).w);
  p.seed += std::uint64_t{1} << 32;
  EXPECT_NE(a.w, initial_parameters(p, 5).w);
}

TEST(TwoLayerInitialStatistics, MeansAndVariancesAreThoseOfTheirLaws) {
  Problem p = make_problem({5, 12, 3}, Activation::relu, Loss::squared);
  p.initial_scale = 0.7F;
  const std::map<Initialisation, std::array<double, 3>> variances = {
      // Var W, Var b, Var V; the uniform law on [-c, c] has c^2 / 3.
      {Initialisation::framework_uniform, {1.0 / 5 / 3, 1.0 / 5 / 3, 1.0 / 12 / 3}},
      {Initialisation::he, {2.0 / 5, 0, 2.0 / 12}},
      {Initialisation::lecun, {1.0 / 5, 0, 1.0 / 12}},
      {Initialisation::normal, {0.49, 0, 0.49}}};
  for (const auto& [kind, truth] : variances) {
    p.initialisation = kind;
    std::array<std::vector<double>, 3> values;
    for (std::uint32_t t = 0; t < 1000; ++t) {
      const Parameters start = initial_parameters(p, t);
      values[0].insert(values[0].end(), start.w.begin(), start.w.end());
      values[1].insert(values[1].end(), start.b.begin(), start.b.end());
      values[2].insert(values[2].end(), start.v.begin(), start.v.end());
    }
    for (int part = 0; part < 3; ++part) {
      if (truth[part] == 0) continue;
      EXPECT_LT(oracle::mean_deviation(values[part], 0), kFiveSigma) << part;
      for (double& x : values[part]) x *= x;
      EXPECT_LT(oracle::mean_deviation(values[part], truth[part]), kFiveSigma) << part;
    }
  }
}

TEST(TwoLayerInputs, StandInTheStreamAsDocumented) {
  for (const int inputs : {1, 3, 4, 5, 8, 13}) {
    Problem p = make_problem({inputs, 3, 1}, Activation::relu, Loss::logistic);
    const Stream stream{p.seed, Purpose::inputs, 4};
    constexpr std::uint64_t kFirst = 1'000'003;
    for (const Inputs kind : {Inputs::gaussian, Inputs::uniform}) {
      p.input_kind = kind;
      const std::uint64_t per_sample = (inputs + 3) / 4;
      EXPECT_EQ(blocks_per_sample(p), (inputs + 3) / 4);
      const std::vector<float> x = inputs_of(p, 4, kFirst, 9);
      for (std::size_t k = 0; k < x.size(); ++k) {
        const std::uint64_t block = (kFirst + k / inputs) * per_sample;
        EXPECT_EQ(x[k], kind == Inputs::gaussian ? normal(stream, block, k % inputs)
                                                 : uniform<float>(word(stream, block, k % inputs)));
      }
    }
    p.input_kind = Inputs::ball;
    EXPECT_EQ(blocks_per_sample(p), (inputs + 3) / 4 + 1);
  }
}

TEST(TwoLayerInputs, DoNotDependOnHowTheyAreAskedFor) {
  for (const int inputs : {1, 4, 7}) {
    for (const Inputs kind : {Inputs::gaussian, Inputs::uniform, Inputs::ball}) {
      for (const Loss loss : kLosses) {
        for (const Labels labels : {Labels::random, Labels::teacher}) {
          Problem p = make_problem({inputs, 3, 3}, Activation::relu, loss);
          p.input_kind = kind;
          p.label_kind = labels;
          constexpr int kCount = 300;
          const std::vector<float> x = inputs_of(p, 1, 90, kCount);
          const std::vector<float> t = targets_of(p, 1, 90, kCount);
          // One at a time, and by a stream with batches of another size and rows with gaps.
          const Parameters teacher = teacher_of(p);
          p.batch_size = 2;
          SampleStream stream(p, teacher, 1);
          const int stride = inputs + 2;
          std::vector<float> rows(kCount * static_cast<std::size_t>(stride), -7.0F);
          std::vector<float> row_targets(t.size());
          for (int n = 0, count = 1; n < kCount; n += count, count = std::min(kCount - n, count * 3 % 37)) {
            stream.rows(90 + n, count, rows.data() + n * stride, stride, row_targets.data() + n * p.outputs);
          }
          EXPECT_EQ(row_targets, t);
          for (int n = 0; n < kCount; ++n) {
            const std::span row = std::span(x).subspan(static_cast<std::size_t>(n) * inputs, inputs);
            EXPECT_THAT(inputs_of(p, 1, 90 + n, 1), ElementsAreArray(row));
            EXPECT_THAT(std::span(rows).subspan(static_cast<std::size_t>(n) * stride, inputs),
                        ElementsAreArray(row));
            EXPECT_EQ(rows[n * stride + inputs], -7.0F) << "written past the row";
          }
        }
      }
    }
  }
}

TEST(TwoLayerInputs, DifferByTrajectoryAndByUse) {
  const Problem p = make_problem({4, 3, 1}, Activation::relu, Loss::logistic);
  const std::vector<float> fresh = inputs_of(p, 0, 0, 50);
  const SampleSet training = synthetic_set(p, 50, false);
  const SampleSet probe = synthetic_set(p, 50, true);
  EXPECT_NE(fresh, inputs_of(p, 1, 0, 50));
  EXPECT_NE(fresh, training.inputs);
  EXPECT_NE(fresh, probe.inputs);
  EXPECT_NE(training.inputs, probe.inputs);
  EXPECT_NE(training.targets, probe.targets);
  EXPECT_NE(targets_of(p, 0, 0, 50), targets_of(p, 1, 0, 50));
}

TEST(TwoLayerInputs, StayInTheirRange) {
  for (const int inputs : {1, 2, 3, 17}) {
    Problem p = make_problem({inputs, 3, 1}, Activation::relu, Loss::logistic);
    p.input_kind = Inputs::uniform;
    for (const float x : inputs_of(p, 2, 0, 2000)) {
      EXPECT_GT(x, 0.0F);
      EXPECT_LE(x, 1.0F);
    }
    p.input_kind = Inputs::ball;
    p.radius = 3;
    const std::vector<float> x = inputs_of(p, 2, 0, 2000);
    for (std::size_t n = 0; n < 2000; ++n) {
      double square = 0;
      for (int j = 0; j < inputs; ++j) square += std::pow(static_cast<double>(x[n * inputs + j]), 2);
      // log, exp, sqrt, a division and a dot product: a few eps.
      EXPECT_LE(std::sqrt(square), 3 * (1 + (inputs + 8) * kEps));
    }
  }
}

// The normals of this sample both vanish (a uniform that rounds to 1, one in 2^25); it must not become NaN.
TEST(TwoLayerInputs, BallsHoldEverySample) {
  for (const int inputs : {1, 2}) {
    Problem p = make_problem({inputs, 3, 1}, Activation::relu, Loss::logistic);
    p.seed = 1;
    constexpr std::uint64_t kVanishing = 34994267;
    const std::vector<float> normals = inputs_of(p, 0, 2 * kVanishing, 1);
    ASSERT_EQ(normals[0], 0.0F);
    p.input_kind = Inputs::ball;
    for (const float x : inputs_of(p, 0, kVanishing, 1)) EXPECT_LE(std::abs(x), 1.0F);
  }
}

TEST(TwoLayerInputsStatistics, BallsAreUniform) {
  for (const int inputs : {1, 2, 3, 17}) {
    Problem p = make_problem({inputs, 3, 1}, Activation::relu, Loss::logistic);
    p.input_kind = Inputs::ball;
    p.radius = 2;
    constexpr int kCount = 20000;
    const std::vector<float> x = inputs_of(p, 0, 0, kCount);
    std::vector<double> volume;  // (|x| / R)^M is U(0, 1)
    std::vector<double> entry, square, product;
    for (int n = 0; n < kCount; ++n) {
      const float* row = &x[static_cast<std::size_t>(n) * inputs];
      double norm = 0;
      for (int j = 0; j < inputs; ++j) norm += static_cast<double>(row[j]) * row[j];
      volume.push_back(std::pow(std::sqrt(norm) / 2, inputs));
      entry.push_back(row[inputs - 1]);
      square.push_back(entry.back() * entry.back());
      product.push_back(static_cast<double>(row[0]) * row[inputs - 1]);
    }
    EXPECT_LT(oracle::ks_deviation(volume, [](double u) { return std::clamp(u, 0.0, 1.0); }), kFiveSigma);
    EXPECT_LT(oracle::mean_deviation(entry, 0), kFiveSigma);
    EXPECT_LT(oracle::mean_deviation(square, 4.0 / (inputs + 2)), kFiveSigma);  // R^2 / (M + 2)
    if (inputs > 1) {
      EXPECT_LT(oracle::mean_deviation(product, 0), kFiveSigma);
    }
  }
}

TEST(TwoLayerInputsStatistics, RandomLabelsAreFair) {
  constexpr int kCount = 40000;
  Problem p = make_problem({1, 1, 1}, Activation::relu, Loss::logistic);
  const std::vector<float> bits = targets_of(p, 0, 0, kCount);
  const std::vector<double> labels(bits.begin(), bits.end());
  EXPECT_LT(oracle::mean_deviation(labels, 0.5), kFiveSigma);
  std::vector<double> next;
  for (int n = 0; n + 1 < kCount; ++n) next.push_back(labels[n] == labels[n + 1] ? 1 : 0);
  EXPECT_LT(oracle::mean_deviation(next, 0.5), kFiveSigma);
  EXPECT_EQ(std::set<double>(labels.begin(), labels.end()), (std::set<double>{0, 1}));

  p = make_problem({1, 1, 7}, Activation::relu, Loss::softmax);
  const std::vector<float> one_hot = targets_of(p, 0, 0, kCount);
  std::vector<double> counts(7);
  for (int n = 0; n < kCount; ++n) {
    double total = 0;
    for (int c = 0; c < 7; ++c) {
      const float t = one_hot[static_cast<std::size_t>(n) * 7 + c];
      EXPECT_TRUE(t == 0 || t == 1);
      counts[c] += t;
      total += t;
    }
    EXPECT_EQ(total, 1);
  }
  EXPECT_LT(oracle::chi_square_deviation(counts), kFiveSigma);

  p = make_problem({1, 1, 3}, Activation::relu, Loss::squared);
  const std::vector<float> numbers = targets_of(p, 0, 0, kCount);
  EXPECT_LT(oracle::ks_deviation({numbers.begin(), numbers.end()},
                                 [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }),
            kFiveSigma);
}

TEST(TwoLayerTeacher, LabelsAreItsOwnOutputs) {
  // f carries rounding of M + N_t terms and 2e-7 from normal_cdf.
  constexpr double kTolerance = 1e-5;
  for (const Activation activation : kActivations) {
    for (const Loss loss : kLosses) {
      for (const bool bias : {true, false}) {
        Problem p = make_problem({13, 4, 5}, activation, loss);
        p.label_kind = Labels::teacher;
        p.teacher_hidden = 21;
        p.bias = bias;
        Problem of_teacher = p;
        of_teacher.hidden = 21;
        const Parameters teacher = teacher_parameters(p);
        EXPECT_EQ(teacher.w.size(), 21U * 13U);
        EXPECT_EQ(teacher.v.size(), 21U * static_cast<std::size_t>(p.outputs));
        if (!bias) {
          EXPECT_THAT(teacher.b, Each(0.0F));
        }
        const SampleSet set = synthetic_set(p, 101, false);
        int classes_met = 0;
        std::vector<bool> met(p.outputs + 1);
        for (int s = 0; s < set.size; ++s) {
          const std::vector<double> x(&set.inputs[s * 13], &set.inputs[s * 13] + 13);
          const float* t = &set.targets[s * p.outputs];
          const std::vector<double> f = oracle::outputs(of_teacher, oracle::in_double(teacher), x.data());
          if (loss == Loss::squared) {
            for (int c = 0; c < p.outputs; ++c) EXPECT_NEAR(t[c], f[c], kTolerance);
          } else if (loss == Loss::logistic) {
            if (std::abs(f[0]) > kTolerance) {
              EXPECT_EQ(t[0], f[0] > 0 ? 1.0F : 0.0F);
            }
            met[t[0] > 0 ? 1 : 0] = true;
          } else {
            std::vector<double> order = f;
            std::sort(order.begin(), order.end());
            const auto best = std::max_element(f.begin(), f.end()) - f.begin();
            if (order[p.outputs - 1] - order[p.outputs - 2] > kTolerance) {
              for (int c = 0; c < p.outputs; ++c) EXPECT_EQ(t[c], c == best ? 1.0F : 0.0F);
            }
            met[best] = true;
          }
        }
        classes_met = static_cast<int>(std::count(met.begin(), met.end(), true));
        if (loss != Loss::squared) {
          EXPECT_GT(classes_met, 1);
        }
      }
    }
  }
}

TEST(TwoLayerTeacher, TiesGoToTheFirstLargest) {
  const Problem p = make_problem({1, 1, 4}, Activation::relu, Loss::softmax);
  float f[] = {1.0F, 3.0F, 3.0F, 3.0F};
  outputs_to_targets(p, f);
  EXPECT_THAT(f, ElementsAreArray({0.0F, 1.0F, 0.0F, 0.0F}));
}

TEST(TwoLayerTeacherStatistics, WeightsHaveVarianceOneOverFanIn) {
  Problem p = make_problem({9, 4, 3}, Activation::relu, Loss::squared);
  p.teacher_hidden = 700;
  const Parameters teacher = teacher_parameters(p);
  const auto check = [](const std::vector<float>& x, double variance) {
    std::vector<double> values(x.begin(), x.end());
    EXPECT_LT(oracle::mean_deviation(values, 0), kFiveSigma);
    for (double& v : values) v *= v;
    EXPECT_LT(oracle::mean_deviation(values, variance), kFiveSigma);
  };
  check(teacher.w, 1.0 / 9);
  check(teacher.b, 1.0 / 9);
  check(teacher.v, 1.0 / 700);
}

TEST(TwoLayerLabels, ReplaceOnlyTheTargetsOfASet) {
  for (const Labels kind : {Labels::random, Labels::teacher}) {
    for (const Loss loss : kLosses) {
      Problem p = make_problem({5, 3, 3}, Activation::tanh, loss);
      p.label_kind = kind;
      for (const bool probe : {false, true}) {
        const SampleSet drawn = synthetic_set(p, 37, probe);
        SampleSet labelled;
        labelled.size = 37;
        labelled.inputs = drawn.inputs;
        label_set(p, labelled, probe);
        EXPECT_EQ(labelled.inputs, drawn.inputs);
        EXPECT_EQ(labelled.targets, drawn.targets);
        SampleSet other = drawn;
        label_set(p, other, !probe);
        EXPECT_EQ(other.targets == drawn.targets, kind == Labels::teacher) << "a teacher has no stream";
      }
    }
  }
}

/// A fixed set whose samples say which they are: input = index.
Problem numbered(int size, Sampling sampling) {
  Problem p = make_problem({2, 1, 1}, Activation::relu, Loss::squared);
  p.sampling = sampling;
  SampleSet set;
  set.size = size;
  for (int s = 0; s < size; ++s) {
    set.inputs.push_back(static_cast<float>(s));
    set.inputs.push_back(-static_cast<float>(s));
    set.targets.push_back(static_cast<float>(s) + 0.5F);
  }
  p.training = std::make_shared<SampleSet>(set);
  return p;
}

/// Which samples numbers [first, first + count) are, asked for `batch` at a time.
std::vector<int> picks(const Problem& p, std::uint32_t trajectory, std::uint64_t first, int count,
                       int batch) {
  const Parameters none;
  SampleStream stream(p, none, trajectory);
  std::vector<int> result;
  while (static_cast<int>(result.size()) < count) {
    const int rows = std::min(batch, count - static_cast<int>(result.size()));
    std::vector<float> x(static_cast<std::size_t>(rows) * 2);
    std::vector<float> t(rows);
    stream.rows(first + result.size(), rows, x.data(), 2, t.data());
    for (int r = 0; r < rows; ++r) {
      EXPECT_EQ(x[2 * r + 1], -x[2 * r]);
      EXPECT_EQ(t[r], x[2 * r] + 0.5F) << "target of another sample";
      result.push_back(static_cast<int>(x[2 * r]));
    }
  }
  return result;
}

TEST(TwoLayerSampling, WithoutReplacementMeetsEverySampleOncePerEpoch) {
  for (const int size : {1, 2, 5, 7, 64, 129}) {
    const Problem p = numbered(size, Sampling::without_replacement);
    const std::vector<int> all = picks(p, 3, 0, 4 * size, 3);  // batches straddle epochs
    std::vector<int> whole(size);
    std::iota(whole.begin(), whole.end(), 0);
    for (int epoch = 0; epoch < 4; ++epoch) {
      std::vector<int> seen(all.begin() + epoch * size, all.begin() + (epoch + 1) * size);
      std::sort(seen.begin(), seen.end());
      EXPECT_EQ(seen, whole) << "epoch " << epoch << " of " << size;
    }
    if (size >= 64) {
      EXPECT_FALSE(std::equal(all.begin(), all.begin() + size, all.begin() + size)) << "one order for ever";
      EXPECT_NE(all, picks(p, 4, 0, 4 * size, 3)) << "one order for all trajectories";
    }
  }
}

TEST(TwoLayerSampling, LocatedSamplesLieInTheirSet) {
  const Problem p = numbered(11, Sampling::with_replacement);
  const Parameters none;
  SampleStream stream(p, none, 2);
  std::array<const float*, 100> x;
  std::array<float, 100> t;
  stream.locate(40, 100, x.data(), t.data());
  const std::vector<int> expected = picks(p, 2, 40, 100, 100);
  for (int r = 0; r < 100; ++r) {
    EXPECT_EQ(x[r], p.training->inputs.data() + 2 * static_cast<std::ptrdiff_t>(expected[r]));
    EXPECT_EQ(t[r], static_cast<float>(expected[r]) + 0.5F);
  }
}

TEST(TwoLayerSampling, PicksAreAFunctionOfTheirNumber) {
  for (const Sampling sampling : {Sampling::with_replacement, Sampling::without_replacement}) {
    const Problem p = numbered(11, sampling);
    const std::vector<int> all = picks(p, 2, 0, 100, 1);
    EXPECT_EQ(picks(p, 2, 0, 100, 7), all);
    EXPECT_EQ(picks(p, 2, 0, 100, 100), all);
    const std::vector<int> middle(all.begin() + 30, all.begin() + 77);
    EXPECT_EQ(picks(p, 2, 30, 47, 5), middle);
  }
}

TEST(TwoLayerSamplingStatistics, OrdersAreUniform) {
  constexpr int kSize = 6;
  constexpr int kEpochs = 6000;
  const Problem p = numbered(kSize, Sampling::without_replacement);
  const std::vector<int> all = picks(p, 0, 0, kSize * kEpochs, kSize);
  std::vector<double> orders(720);
  for (int e = 0; e < kEpochs; ++e) {
    int rank = 0;  // the order's number among the 6! of them
    for (int i = 0; i < kSize; ++i) {
      int smaller = 0;
      for (int j = i + 1; j < kSize; ++j) smaller += all[e * kSize + j] < all[e * kSize + i] ? 1 : 0;
      rank = rank * (kSize - i) + smaller;
    }
    ++orders[rank];
  }
  EXPECT_LT(oracle::chi_square_deviation(orders), kFiveSigma);
}

TEST(TwoLayerSamplingStatistics, OrdersOfTwoEpochsAreIndependent) {
  constexpr int kSize = 6;
  constexpr int kEpochs = 6000;
  const Problem p = numbered(kSize, Sampling::without_replacement);
  const std::vector<int> all = picks(p, 0, 0, kSize * kEpochs, kSize);
  for (int here = 0; here < kSize; ++here) {
    for (int next = 0; next < kSize; ++next) {
      std::vector<double> pairs(kSize * kSize);
      for (int e = 0; e + 1 < kEpochs; ++e)
        ++pairs[all[e * kSize + here] * kSize + all[(e + 1) * kSize + next]];
      EXPECT_LT(oracle::chi_square_deviation(pairs), kFiveSigma) << here << " then " << next;
    }
  }
}

TEST(TwoLayerSamplingStatistics, PicksWithReplacementAreUniformAndIndependent) {
  constexpr int kSize = 13;
  const Problem p = numbered(kSize, Sampling::with_replacement);
  const std::vector<int> all = picks(p, 0, 0, 40000, 10);
  std::vector<double> pairs(kSize * kSize);
  for (std::size_t n = 0; n + 1 < all.size(); n += 2) ++pairs[all[n] * kSize + all[n + 1]];
  EXPECT_LT(oracle::chi_square_deviation(pairs), kFiveSigma);
}

}  // namespace
}  // namespace soret::two_layer
