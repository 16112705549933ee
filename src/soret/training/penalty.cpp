#include "soret/training/penalty.hpp"

#include "soret/random/fill.hpp"

namespace soret::training {

void draw_direction(std::uint64_t seed, std::uint64_t number, std::span<float> u) {
  fill_unit_sphere({seed, Purpose::penalty_directions, 0}, number * ((u.size() + 3) / 4), u);
}

}  // namespace soret::training
