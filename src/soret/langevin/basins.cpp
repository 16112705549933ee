#include "soret/langevin/basins.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "soret/base/error.hpp"
#include "soret/langevin/visit.hpp"

namespace soret::langevin {
namespace {

double bisect(const std::function<double(double)>& f, double low, double high) {
  const bool rising = f(low) < 0;
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = 0.5 * (low + high);
    if (middle == low || middle == high) break;
    ((f(middle) < 0) == rising ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

double determinant(const std::vector<double>& h) {
  return h.size() == 1 ? h[0] : h[0] * h[3] - h[1] * h[2];
}

}  // namespace

Basins::Basins(const Landscape& landscape, const Box& box) : box_(box) {
  if (landscape.kind == Landscape::Kind::quadratic)
    take_the_origin(landscape);
  else if (landscape.dimension == 1)
    find_on_line(landscape);
  else
    find_in_plane(landscape);
}

/// A quadratic's minimum is where its gradient vanishes, if H is positive definite.
void Basins::take_the_origin(const Landscape& landscape) {
  const int d = landscape.dimension;
  if (d == 2) grid_.assign(BasinMap::kCells * BasinMap::kCells, 0);
  const std::vector<double> origin(static_cast<std::size_t>(d), 0.0);
  const std::vector<double> h = hessian(landscape, origin);
  if (!(h[0] > 0 && determinant(h) > 0)) return;
  for (int k = 0; k < d; ++k)
    if (!(box_.low[k] < 0 && 0 < box_.high[k])) return;
  minima_.push_back({origin, 0, determinant(h)});
}

void Basins::find_on_line(const Landscape& landscape) {
  constexpr int kPlaces = 20011;  // odd and prime: no symmetric minimum falls on a place
  visit(landscape, [&](const auto& l) {
    const auto slope = [&](double x) {
      double g = 0;
      if constexpr (std::decay_t<decltype(l)>::kDimension == 1) l.gradient(&x, &g);
      return g;
    };
    const double width = (box_.high[0] - box_.low[0]) / kPlaces;
    double before = slope(box_.low[0]);
    for (int i = 1; i <= kPlaces; ++i) {
      const double x = box_.low[0] + i * width;
      const double after = slope(x);
      if (before < 0 && after >= 0) minima_.push_back({{bisect(slope, x - width, x)}, 0, 1});
      if (before > 0 && after <= 0 && !minima_.empty()) maxima_.push_back(bisect(slope, x - width, x));
      if (after != 0) before = after;
    }
  });
  if (maxima_.size() >= minima_.size()) maxima_.resize(minima_.empty() ? 0 : minima_.size() - 1);
  for (Minimum& m : minima_) {
    m.loss = value(landscape, m.position);
    m.determinant = determinant(hessian(landscape, m.position));
  }
}

void Basins::find_in_plane(const Landscape& landscape) {
  constexpr int kUnknown = -1;
  constexpr int kOnPath = -2;
  constexpr std::size_t kCells = BasinMap::kCells;
  const BasinMap cells{.box = box_};
  constexpr int kMostSteps = 1'000'000;
  constexpr int kMostMinima = 4096;  // 16 cells each
  const double dx = (box_.high[0] - box_.low[0]) / kCells;
  const double dy = (box_.high[1] - box_.low[1]) / kCells;
  const double cell_size = std::min(dx, dy);
  grid_.assign(kCells * kCells, kUnknown);
  visit(landscape, [&](const auto& l) {
    using L = std::decay_t<decltype(l)>;
    if constexpr (L::kDimension == 2) {
      std::vector<std::size_t> path;
      for (std::size_t start = 0; start < grid_.size(); ++start) {
        if (grid_[start] != kUnknown) continue;
        // Steepest descent in steps of at most half a cell, until it comes to a cell that is known or to a
        // minimum. The cells it crossed then belong to the same basin.
        path.clear();
        std::array<double, 2> w = {box_.low[0] + (static_cast<double>(start / kCells) + 0.5) * dx,
                                   box_.low[1] + (static_cast<double>(start % kCells) + 0.5) * dy};
        double here = l.value(w.data());
        double length = 0.5 * cell_size;
        int basin = kUnknown;
        for (int step = 0; step < kMostSteps; ++step) {
          const std::size_t at = cells.cell(0, w[0]) * kCells + cells.cell(1, w[1]);
          if (grid_[at] >= 0) {
            basin = grid_[at];
            break;
          }
          if (grid_[at] == kUnknown) {
            grid_[at] = kOnPath;
            path.push_back(at);
          }
          std::array<double, 2> g{};
          l.gradient(w.data(), g.data());
          const double norm = std::hypot(g[0], g[1]);
          const std::array<double, 2> next = {w[0] - length * g[0] / norm, w[1] - length * g[1] / norm};
          const double there = norm > 0 ? l.value(next.data()) : here;
          if (there < here) {
            w = next;
            here = there;
            length = std::min(0.5 * cell_size, 1.5 * length);
          } else {
            length *= 0.25;
            if (length < 1e-9 * cell_size) break;
          }
        }
        if (basin == kUnknown) {
          const auto known = static_cast<int>(minima_.size());
          for (basin = 0; basin < known; ++basin)
            if (std::hypot(minima_[basin].position[0] - w[0], minima_[basin].position[1] - w[1]) < cell_size)
              break;
          if (basin == kMostMinima)
            throw ConfigError(
                fmt::format("the landscape has more than {} minima within record.range, or is flat there: "
                            "set record.range",
                            kMostMinima));
          if (basin == known) minima_.push_back({{w[0], w[1]}, here, 1});
        }
        for (const std::size_t crossed : path) grid_[crossed] = basin;
      }
    }
  });
  // A descent that left the box ends at its edge or beyond: no minimum inside.
  const auto inside = [&](const Minimum& m) {
    return m.position[0] > box_.low[0] && m.position[0] < box_.high[0] && m.position[1] > box_.low[1] &&
           m.position[1] < box_.high[1];
  };
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < minima_.size(); ++i)
    if (inside(minima_[i])) order.push_back(i);
  std::ranges::sort(order, {}, [&](std::size_t i) { return minima_[i].position; });
  std::vector<int> place(minima_.size(), 0);
  std::vector<Minimum> sorted;
  for (const std::size_t i : order) {
    place[i] = static_cast<int>(sorted.size());
    sorted.push_back(minima_[i]);
  }
  minima_ = std::move(sorted);
  for (int& basin : grid_) basin = place[basin];
  for (Minimum& m : minima_) {
    m.loss = value(landscape, m.position);
    m.determinant = determinant(hessian(landscape, m.position));
  }
}

std::map<std::array<int, 2>, std::array<double, 2>> Basins::lowest_steps(const Landscape& landscape) const {
  constexpr std::size_t kCells = BasinMap::kCells;
  const std::array<double, 2> size = {(box_.high[0] - box_.low[0]) / kCells,
                                      (box_.high[1] - box_.low[1]) / kCells};
  const auto centre = [&](std::size_t i, std::size_t j) {
    return std::array<double, 2>{box_.low[0] + (static_cast<double>(i) + 0.5) * size[0],
                                 box_.low[1] + (static_cast<double>(j) + 0.5) * size[1]};
  };
  std::map<std::array<int, 2>, std::array<double, 2>> places;
  std::map<std::array<int, 2>, double> heights;
  visit(landscape, [&](const auto& l) {
    if constexpr (std::decay_t<decltype(l)>::kDimension == 2) {
      for (std::size_t i = 0; i < kCells; ++i)
        for (std::size_t j = 0; j < kCells; ++j)
          for (std::size_t axis = 0; axis < 2; ++axis) {
            const std::size_t i2 = i + (axis == 0 ? 1 : 0), j2 = j + (axis == 1 ? 1 : 0);
            if (i2 == kCells || j2 == kCells) continue;
            const int a = grid_[i * kCells + j], b = grid_[i2 * kCells + j2];
            if (a == b) continue;
            const auto from = centre(i, j), to = centre(i2, j2);
            const double height = std::max(l.value(from.data()), l.value(to.data()));
            const std::array<int, 2> both = {std::min(a, b), std::max(a, b)};
            const auto known = heights.find(both);
            if (known != heights.end() && known->second <= height) continue;
            heights[both] = height;
            places[both] = {0.5 * (from[0] + to[0]), 0.5 * (from[1] + to[1])};
          }
    }
  });
  return places;
}

std::vector<Pass> Basins::passes(const Landscape& landscape) const {
  std::vector<Pass> all;
  for (std::size_t k = 0; k < maxima_.size(); ++k) {
    const std::vector<double> top = {maxima_[k]};
    all.push_back({{k, k + 1}, top, value(landscape, top), hessian(landscape, top)});
  }
  if (grid_.empty() || count() < 2) return all;
  // Newton's method finds the saddle within a few cells of where the grid has it, or there is none.
  constexpr int kMostSteps = 50;
  constexpr double kNear = 8;
  const double cell = std::min(box_.high[0] - box_.low[0], box_.high[1] - box_.low[1]) / BasinMap::kCells;
  for (const auto& [both, place] : lowest_steps(landscape)) {
    std::vector<double> w(place.begin(), place.end());
    std::vector<double> h;
    double length = cell;
    for (int step = 0; step < kMostSteps && length > 1e-9 * cell; ++step) {
      const auto g = gradient(landscape, w);
      h = hessian(landscape, w);
      const double det = determinant(h);
      const std::array<double, 2> move = {(h[1] * g[1] - h[3] * g[0]) / det,
                                          (h[2] * g[0] - h[0] * g[1]) / det};
      length = std::hypot(move[0], move[1]);
      const double part = length > cell ? cell / length : 1;
      for (int k = 0; k < 2; ++k) w[k] += part * move[k];
    }
    const bool found = length <= 1e-9 * cell && determinant(h) < 0 &&
                       std::hypot(w[0] - place[0], w[1] - place[1]) < kNear * cell;
    if (!found) continue;
    all.push_back({{static_cast<std::size_t>(both[0]), static_cast<std::size_t>(both[1])},
                   w,
                   value(landscape, w),
                   hessian(landscape, w)});
  }
  return all;
}

}  // namespace soret::langevin
