#include "sims/cli/cli.hpp"

int main(int argc, char** argv) {
  return soret::cli::main({argv + 1, argv + argc});
}
