# Draws on any machine, without PyTorch:
#     docker build -t gamegen .
#     docker run --rm -v "$PWD:/out" gamegen match --games 2 --time 2 1
FROM python:3.12-slim
COPY . /src
RUN pip install --no-cache-dir /src && rm -rf /src
WORKDIR /out
ENTRYPOINT ["gamegen"]
