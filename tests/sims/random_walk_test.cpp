#include "sims/random_walk/random_walk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "soret/base/error.hpp"
#include "soret/scan/runner.hpp"
#include "soret/store/result_file.hpp"
#include "tests/oracles/statistics.hpp"
#include "tests/same_data.hpp"

namespace soret::sims {
namespace {

namespace fs = std::filesystem;
using oracle::kFiveSigma;
using ::testing::AllOf;
using ::testing::HasSubstr;

ScanPlan plan(const std::string& config) {
  const std::vector<std::string> known{"random_walk"};
  const auto table = [](std::string_view) { return std::optional(random_walk_simulation().options); };
  return parse_config("simulation = random_walk\n" + config, "test.cfg", {}, table, known);
}

class RandomWalkScan : public ::testing::Test {
 protected:
  RandomWalkScan() {
    std::string name = (fs::temp_directory_path() / "soret_walk_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~RandomWalkScan() override { fs::remove_all(folder_); }

  store::Dataset run(const std::string& config, int threads = 1) {
    const ScanPlan scan = plan(config);
    const auto experiment = random_walk_simulation().prepare(scan, {Backend::Kind::cpu, threads});
    const std::atomic<bool> stop = false;
    const fs::path file = folder_ / (std::to_string(runs_++) + ".h5");
    run_scan(scan, *experiment, {.output = file, .stop = stop, .threads = threads, .quiet = true});
    return store::read(file);
  }

  static std::string refusal(const std::string& config) {
    try {
      random_walk_simulation().prepare(plan(config), {Backend::Kind::cpu, 1});
    } catch (const ConfigError& error) {
      return error.what();
    }
    ADD_FAILURE() << "not refused: " << config;
    return "";
  }

 private:
  fs::path folder_;
  int runs_ = 0;
};
using RandomWalkScanStatistics = RandomWalkScan;

const std::vector<double>& numbers(const store::Dataset& data, const std::string& name) {
  return std::get<std::vector<double>>(data.at(name).data);
}

// Per field, boundary and learning rate: 16384 walkers, 20 histograms each after they have come to rest. Bins
// are no narrower than the longest step.
const std::string kStationary = R"(
[walk]
level = 1
strength = 0.6
centre = 0.5
width = 0.15
start = stationary
steps = 10000
[ensemble]
walkers = 16384
groups = 64
[record]
every = 10000
sample_every = 500
bins = 16
observables = density flux
[walk]
)";

// rho ~ g^-2, whatever the field, the walls, the learning rate and the precision; the other conventions are
// out of the question.
TEST_F(RandomWalkScanStatistics, TheDensityDecidesForFokkerPlanck) {
  for (const char* walk : {"boundary = reflecting\nfield = linear exponential bump\n",
                           "boundary = periodic\nfield = sinusoidal bump\n",
                           "boundary = reflecting\nfield = linear bump\nprecision = single\n",
                           "boundary = periodic\nfield = sinusoidal bump\nprecision = single\n"}) {
    const store::Dataset data = run(kStationary + walk + "learning_rate = 0.01 0.02\n");
    const std::size_t points = data.size("field") * 2;
    const auto& exponent = numbers(data, "stationary_exponent");
    const auto& error = numbers(data, "stationary_exponent_stderr");
    const auto& chi_square = numbers(data, "density_chi_square");
    for (std::size_t point = 0; point < points; ++point) {
      const std::size_t last = point * 2 + 1;
      EXPECT_LT(error[last], 0.03);
      EXPECT_LT(std::abs(exponent[last] + 2), kFiveSigma * error[last]) << walk << point;
      // 16 bins, fewer near walls: five standard errors of a mean square of normals.
      EXPECT_LT(chi_square[last * 3], 1 + kFiveSigma * std::sqrt(2.0 / 12)) << walk << point;
      EXPECT_GT(chi_square[last * 3 + 1], 20) << walk << point;
      EXPECT_GT(chi_square[last * 3 + 2], 20) << walk << point;
    }
  }
}

// To the next order in the learning rate, rho g^2 = const (1 - E[gamma^4] eta^2/12 (g^2)''): for signs, and
// for Gaussian kicks, which have E[gamma^4] = 3.
TEST_F(RandomWalkScanStatistics, FiniteStepsShiftTheDensityAsExpected) {
  constexpr std::size_t kBins = 20;
  const store::Dataset data = run(R"(
[walk]
kick = rademacher gaussian
field = sinusoidal
strength = 0.5
learning_rate = 0.04
start = stationary
steps = 10000
[ensemble]
walkers = 16384
[record]
every = 10000
sample_every = 25
bins = 20
observables = density
)");
  for (std::size_t kick = 0; kick < 2; ++kick) {
    std::vector<double> shift(kBins);
    double mean = 0;
    const auto base = [&](std::size_t b) {
      return numbers(data, "density_prediction")[((kick * 2 + 1) * 3) * kBins + b];
    };
    for (std::size_t b = 0; b < kBins; ++b) {
      const double turn = 2 * M_PI * (static_cast<double>(b) + 0.5) / kBins;
      // (g^2)'' of g = 1 + 1/2 sin.
      const double second = 4 * M_PI * M_PI * (-std::sin(turn) + 0.5 * std::cos(2 * turn));
      shift[b] = (kick == 0 ? 1 : 3) * -0.04 * 0.04 / 12 * second;
      mean += shift[b] * base(b) / kBins;
    }
    double worst_without = 0;
    for (std::size_t b = 0; b < kBins; ++b) {
      const std::size_t cell = (kick * 2 + 1) * kBins + b;
      const double error = numbers(data, "density_stderr")[cell];
      const double density = numbers(data, "density")[cell];
      // The order after next: the square of the shift, at most.
      const double rest = base(b) * 2 * shift[b] * shift[b];
      EXPECT_LT(std::abs(density - base(b) * (1 + shift[b] - mean)), kFiveSigma * error + rest)
          << kick << " " << b;
      worst_without = std::max(worst_without, std::abs(density - base(b)) / error);
    }
    if (kick == 1) {
      EXPECT_GT(worst_without, kFiveSigma);
    }
  }
}

// On the way: the flux is that of the Fokker-Planck equation, edge by edge, and dies out.
TEST_F(RandomWalkScanStatistics, TheFluxFollowsFokkerPlanckAndDiesOut) {
  for (const char* boundary : {"periodic", "reflecting"}) {
    const store::Dataset data =
        run(std::string("[walk]\nfield = sinusoidal\nlearning_rate = 0.02\nboundary = ") + boundary +
            "\nsteps = 6000\n[ensemble]\nwalkers = 16384\n[record]\nevery = 500\n"
            "bins = 16\nobservables = density flux\n");
    const auto& flux = numbers(data, "flux");
    const auto& error = numbers(data, "flux_stderr");
    const auto& prediction = numbers(data, "flux_prediction");
    double begin = 0;
    for (std::size_t step = 1; step < 13; ++step) {
      for (std::size_t edge = 1; edge < 16; ++edge) {
        const std::size_t cell = step * 17 + edge;
        const double expected = prediction[(step * 3 + 0) * 17 + edge];
        EXPECT_LT(std::abs(flux[cell] - expected), kFiveSigma * error[cell])
            << boundary << step << " " << edge;
        if (step == 1) begin = std::max(begin, std::abs(expected) / error[cell]);
        const bool at_rest = step == 12;
        EXPECT_TRUE(!at_rest || std::abs(flux[cell]) < kFiveSigma * error[cell]);
      }
    }
    EXPECT_GT(begin, 30);
    EXPECT_GT(numbers(data, "flux_chi_square")[3 + 2], 50);  // half the flux, by Eq. 11
  }
}

// Coordinates that share their sign and start on the diagonal stay there: amplitude h^|U| in one dimension.
TEST_F(RandomWalkScanStatistics, ASharedSignMultipliesTheExponent) {
  const store::Dataset data = run(R"(
[walk]
dimensions = 3
shared = none 2+1 all
learning_rate = 0.015
field = sinusoidal
coupling = product
strength = 0.25
start = point
start_position = 0.75
steps = 12000
[ensemble]
walkers = 2048
groups = 32
[record]
every = 12000
sample_every = 400
bins = 16
observables = density
)");
  // The first samples still know the start; three quarters of the samples are of the second half.
  for (std::size_t u = 0; u < 3; ++u) {
    const double exponent = numbers(data, "stationary_exponent")[u * 2 + 1];
    EXPECT_NEAR(exponent, -2.0 * static_cast<double>(u + 1), 0.25 * static_cast<double>(u + 1));
  }
}

// The measured second Kramers-Moyal coefficient is eta^2 g^2 / 2, its mean over the walkers in a bin, and
// (eta g / 2)^2 half of it; the first is 0. Bins are wide: the mean over places would be off by 1.3%.
TEST_F(RandomWalkScanStatistics, KramersMoyalCoefficientsMeetTheirPrediction) {
  const store::Dataset data = run(R"(
[walk]
field = exponential
strength = 1
learning_rate = 0.02
boundary = reflecting
start = stationary
steps = 2000
[ensemble]
walkers = 8192
[record]
every = 2000
sample_every = 100
bins = 10
observables = density drift_density diffusion_density
)");
  EXPECT_TRUE(std::isnan(numbers(data, "drift_prediction")[10]));  // at the wall
  for (std::size_t b = 3; b < 7; ++b) {                            // away from the walls
    const std::size_t cell = 10 + b;
    EXPECT_LT(std::abs(numbers(data, "diffusion")[cell] - numbers(data, "diffusion_prediction")[cell]),
              kFiveSigma * numbers(data, "diffusion_stderr")[cell]);
    const double low = std::exp(0.2 * static_cast<double>(b));
    const double uniform = 2e-4 * low * low * (std::exp(0.2) - 1) / 0.2;
    EXPECT_GT(uniform / numbers(data, "diffusion")[cell], 1.008);
    EXPECT_EQ(numbers(data, "drift_prediction")[cell], 0);
    EXPECT_DOUBLE_EQ(numbers(data, "effective_temperature")[cell], 0.5 * numbers(data, "diffusion")[cell]);
    EXPECT_LT(std::abs(numbers(data, "drift")[cell]), kFiveSigma * numbers(data, "drift_stderr")[cell]);
  }
}

// Where g jumps at the seam of a ring, steps are not small; away from it the density is proportional to
// 1/g^2.
TEST_F(RandomWalkScanStatistics, AJumpAtTheSeamIsLeftOut) {
  const store::Dataset data = run(kStationary + R"(
field = exponential
boundary = periodic
learning_rate = 0.01
)");
  EXPECT_LT(std::abs(numbers(data, "stationary_exponent").back() + 2),
            kFiveSigma * numbers(data, "stationary_exponent_stderr").back());
}

// Steps of a thousandth: the walk's mean passage time is the diffusion's, (L/2)^2 / (eta g)^2 exactly for a
// lattice that meets the walls.
TEST_F(RandomWalkScanStatistics, PassageTimesMeetTheirPrediction) {
  const store::Dataset data = run(R"(
[walk]
field = constant
learning_rate = 0.03125
boundary = absorbing
start = point
steps = 6000
[ensemble]
walkers = 16384
[record]
every = 500
bins = 4
observables = survival passage_time
)");
  const auto& time = numbers(data, "mean_passage_time");
  const auto& error = numbers(data, "mean_passage_time_stderr");
  EXPECT_LT(std::abs(time.back() - 256), kFiveSigma * error.back());
  EXPECT_NEAR(numbers(data, "mean_passage_time_prediction")[0], 256, 0.01);
  const auto& rate = numbers(data, "passage_time_density");
  double total = 0;
  for (const double x : rate) total += 500 * x;
  EXPECT_NEAR(total, 1 - numbers(data, "survival").back(), 1e-12);
}

// Same numbers for any number of threads.
TEST_F(RandomWalkScan, ThreadsDoNotChangeTheNumbers) {
  const std::string config =
      "[walk]\nsteps = 300\nboundary = periodic absorbing\nkick = gaussian rademacher\n[ensemble]\nwalkers = "
      "600\ngroups = 20\n[record]\nevery = 100\nsample_every = 30\nobservables = position_mean "
      "amplitude_mean "
      "density flux drift_density diffusion_density survival passage_time\n";
  store::Dataset one = run(config, 1);
  store::Dataset three = run(config, 3);
  one.attributes.clear();
  three.attributes.clear();
  test::expect_same(one, three);
}

TEST_F(RandomWalkScan, AOneDimensionalWalkHasNoAxis) {
  const store::Dataset one =
      run("[walk]\nsteps = 10\n[ensemble]\nwalkers = 8\ngroups = 4\n[record]\nobservables = position_mean\n");
  EXPECT_EQ(one.at("position_mean").dimensions, (std::vector<std::string>{"step"}));
  const store::Dataset two =
      run("[walk]\ndimensions = 2\nsteps = 10\n[ensemble]\nwalkers = 8\ngroups = 4\n[record]\nbins = "
          "3\nobservables = position_mean density_2d\n");
  EXPECT_EQ(two.at("position_mean").dimensions, (std::vector<std::string>{"step", "axis"}));
  EXPECT_EQ(two.at("density_2d").dimensions, (std::vector<std::string>{"step", "position", "position_2"}));
  double total = 0;
  const auto& density = numbers(two, "density_2d");
  for (std::size_t i = 0; i < 9; ++i) total += density[i] / 9;
  EXPECT_NEAR(total, 1, 1e-12);
}

TEST_F(RandomWalkScan, AmplitudesThatAreNoAmplitudesAreRefused) {
  EXPECT_THAT(refusal("[walk]\nfield = linear\nlevel = -0.25\nstrength = 1\n"),
              AllOf(HasSubstr("-0.25 at q = 0;"), HasSubstr("[0, 1]")));
  EXPECT_THAT(refusal("[walk]\ng = sqrt(q - 0.3)\n"), HasSubstr("not a number at q = 0;"));
  EXPECT_THAT(refusal("[walk]\ng = 1/(q - 0.5)^2\n"), HasSubstr("inf at q = 0.5;"));
  EXPECT_THAT(refusal("[walk]\nfield = constant\nlevel = 0\n"), HasSubstr("zero in the whole domain"));
  EXPECT_THAT(refusal("[walk]\nfield = power\nexponent = -1\ncentre = 0.5\n"), HasSubstr("inf at q = 0.5;"));
  EXPECT_THAT(refusal("[walk]\ndimensions = 2\ng = 1; q1 - 0.5\n"),
              HasSubstr("g2 is -0.5 at q1, q2 = 0, 0;"));
  EXPECT_THAT(refusal("[walk]\nlearning_rate = 0.8\n"),
              AllOf(HasSubstr("1.2 long"), HasSubstr("walk.learning_rate (0.8)")));
}

TEST_F(RandomWalkScan, FormulasThatCannotBeReadAreRefused) {
  EXPECT_THAT(refusal("[walk]\ng = 1 + 0.5*sin(2*pi*x)\n"),
              AllOf(HasSubstr("walk.g"), HasSubstr("'x'"), HasSubstr("character 18"), HasSubstr("^")));
  EXPECT_THAT(refusal("[walk]\ng = 1 + * q\n"), HasSubstr("character 5"));
  EXPECT_THAT(refusal("[walk]\ndimensions = 2\ng = 1 + q\n"), AllOf(HasSubstr("'q'"), HasSubstr("q1, q2")));
  EXPECT_THAT(refusal("[walk]\ndimensions = 3\ng = 1; 2\n"), HasSubstr("2 formulas"));
  EXPECT_THAT(refusal("[walk]\ng = 1\nfield = linear\n"), HasSubstr("contradict"));
}

TEST_F(RandomWalkScan, SettingsThatContradictEachOtherAreRefused) {
  EXPECT_THAT(refusal("[walk]\nstart = stationary\nboundary = line\n"), HasSubstr("walk.boundary"));
  EXPECT_THAT(refusal("[walk]\nstart = stationary\nboundary = absorbing\n"),
              HasSubstr("no stationary density"));
  EXPECT_THAT(refusal("[walk]\nstart = stationary\ndimensions = 2\n"), HasSubstr("walk.dimensions = 1"));
  EXPECT_THAT(refusal("[walk]\nstart = stationary\nfield = power\ncentre = 0.5\n"),
              HasSubstr("cannot be normalised"));
  EXPECT_THAT(refusal("[walk]\nstart = point\nstart_position = 2\n"), HasSubstr("outside the domain"));
  EXPECT_THAT(refusal("[walk]\nprecision = single\nkick = gaussian\n"), HasSubstr("walk.kick"));
  EXPECT_THAT(refusal("[walk]\nlower = 1\nupper = 1\n"), HasSubstr("must be below"));
  EXPECT_THAT(refusal("[walk]\nfield = neuron\n"), HasSubstr("walk.dimensions = 2"));
  EXPECT_THAT(refusal("[walk]\ndimensions = 3\nshared = 2+2\n"), AllOf(HasSubstr("2+2"), HasSubstr("2+1")));
  EXPECT_THAT(refusal("[walk]\ndimensions = 3\nshared = some\n"), HasSubstr("some"));
  EXPECT_THAT(refusal("[ensemble]\nwalkers = 100\ngroups = 64\n"), HasSubstr("128"));
  EXPECT_THAT(refusal("[record]\nobservables = density_2d\n"), HasSubstr("walk.dimensions"));
}

}  // namespace
}  // namespace soret::sims
