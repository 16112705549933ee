#include "soret/langevin/group_batch.hpp"

#include "tests/langevin/host_machine.hpp"
#include "tests/langevin/langevin_backend.hpp"

/// The device's way to run many groups, on the CPU.
namespace soret::langevin {
namespace {

BackendUnderTest host(std::size_t free = std::size_t{1} << 30) {
  return {[](const Problem& p, std::uint32_t group, std::int64_t steps) {
            HostMachine machine;
            return walk_group(machine, p, group, steps);
          },
          [free](const Plan& plan, std::span<const Request> requests, const std::atomic<bool>* stop) {
            HostMachine machine(free);
            return observe_groups(machine, plan, requests, stop);
          }};
}

TEST(GroupBatch, WalksToTheBitsOfTheCpu) {
  walks_to_the_bits_of_the_cpu(host());
}
TEST(GroupBatch, WalksOnFormulas) {
  walks_on_formulas(host());
}
TEST(GroupBatch, ServesEveryDimension) {
  serves_every_dimension(host());
}
TEST(GroupBatch, StartsLikeTheCpu) {
  starts_like_the_cpu(host());
}
TEST(GroupBatch, ObservesToTheBitsOfTheCpu) {
  observes_to_the_bits_of_the_cpu(host());
}
TEST(GroupBatch, ObservesTheSameWithRoomForOneLookAtATime) {
  observes_to_the_bits_of_the_cpu(host(0));
}
TEST(GroupBatch, CountsBasinsLikeTheCpu) {
  counts_basins_like_the_cpu(host());
}
TEST(GroupBatch, MarksDivergenceLikeTheCpu) {
  marks_divergence_like_the_cpu(host());
}
TEST(GroupBatch, EscapesLikeTheCpu) {
  escapes_like_the_cpu(host());
}

TEST(GroupBatch, StopsWhenAsked) {
  const Problem p = problem(double_well(), Noise::Kind::diagonal, Scheme::euler_maruyama);
  Plan plan;
  plan.records = {std::int64_t{1} << 50};
  plan.observables = {Observable::mean};
  const Request request{&p, nullptr, 0, 1};
  const std::atomic<bool> stop = true;
  EXPECT_THROW(host().observe(plan, {&request, 1}, &stop), Stopped);
}

}  // namespace
}  // namespace soret::langevin
