import pytest

pytest.register_assert_rewrite("tests.vm.on_the_cable", "tests.lab.checks", "tests.vm.on_the_pi")
