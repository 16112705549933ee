#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// A user's formula as a tree: what formula.hpp has muParser evaluate, read with the same grammar, so that it
/// can be turned into source code for a compiler, and evaluated where there is no muParser.
///
/// From weak to strong binding: ?: (to the right), ||, &&, comparisons (to the left; 1 or 0), + -, * /, a
/// sign (one per operand), ^ (to the right). So -2^2 = -4 and 2^-3^2 = 2^-9. log is the natural logarithm,
/// rint(x) is floor(x + 1/2), and _pi is 3.141592653589, as muParser 2.3 has them; pi is pi. Assignments and
/// strings are no part of it.
namespace soret {

class FormulaTree {
 public:
  /// Throws ConfigError if the text does not parse or uses a name that is not among `variables`: the message
  /// repeats the text and points at the character.
  FormulaTree(std::string_view text, std::span<const std::string> variables);

  /// At one place; x has one number per variable.
  double operator()(std::span<const double> x) const { return evaluate(root_, x); }

  /// As an expression of C++ or CUDA C++ with the variables x[0], x[1], ... and the functions of
  /// formula_prelude().
  std::string source() const { return source(root_); }

 private:
  friend class FormulaReader;
  struct Node {
    /// 'n' a number, 'v' a variable, 'f' a function, 'm' a minus sign; else an operator: + - * / ^
    /// < > l (<=) g (>=) = (==) ! (!=) & (&&) | (||) ? (three operands).
    char kind;
    double number = 0;
    int index = 0;  ///< of the variable or the function
    std::vector<int> operands{};
  };

  double evaluate(int node, std::span<const double> x) const;
  std::string source(int node) const;

  std::vector<Node> nodes_;
  int root_;
};

/// Definitions that a source() needs before it; `qualifier` stands before each, as "__device__".
std::string formula_prelude(std::string_view qualifier);

}  // namespace soret
