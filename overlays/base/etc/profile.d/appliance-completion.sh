# Tab completes `appliance` in a login's bash, also without the package bash-completion, which does so by itself.
if [ -n "$BASH_VERSION" ] && [ -n "$PS1" ]; then
    . /usr/share/bash-completion/completions/appliance
fi
