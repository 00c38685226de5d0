using LlmRL.Models;

namespace LlmRL.Tests.Rollouts;

/// <summary>A decoder-only transformer in double precision, one scalar at a time, straight from the formulas. It recomputes everything.</summary>
internal sealed unsafe class ReferenceTransformer(TestModel model)
{
    private readonly ModelConfig _config = model.Config;

    /// <summary>Logits after every position.</summary>
    public double[][] Logits(ReadOnlySpan<int> tokens)
    {
        var x = new double[tokens.Length][];
        for (var t = 0; t < tokens.Length; t++)
        {
            x[t] = new double[_config.HiddenSize];
            for (var d = 0; d < x[t].Length; d++)
                x[t][d] = model["embedding"][tokens[t] * _config.HiddenSize + d]
                    + (_config.Positions == PositionKind.Learned ? model["positions"][t * _config.HiddenSize + d] : 0);
        }

        for (var layer = 0; layer < _config.NumLayers; layer++)
        {
            var attention = Attention(layer, [.. x.Select(row => Norm($"{layer}.norm1", row))]);
            for (var t = 0; t < x.Length; t++)
            {
                var middle = Add(x[t], attention[t]);
                x[t] = Add(middle, Mlp(layer, Norm($"{layer}.norm2", _config.ParallelResidual ? x[t] : middle)));
            }
        }

        var head = _config.TieWordEmbeddings ? "embedding" : "head";
        return [.. x.Select(row => Linear(head, _config.FinalNorm ? Norm("norm", row) : row, _config.VocabSize))];
    }

    /// <summary>log softmax(logits / temperature).</summary>
    public static double[] LogSoftmax(double[] logits, double temperature = 1)
    {
        var max = logits.Max();
        var logTotal = Math.Log(logits.Sum(logit => Math.Exp((logit - max) / temperature)));
        return [.. logits.Select(logit => (logit - max) / temperature - logTotal)];
    }

    private static double[] Add(double[] a, double[] b) => [.. a.Zip(b, (p, q) => p + q)];

    private double[] Linear(string name, double[] x, int outputs)
    {
        var y = new double[outputs];
        for (var o = 0; o < outputs; o++)
        {
            y[o] = model.Has(name + ".bias") ? model[name + ".bias"][o] : 0;
            for (var i = 0; i < x.Length; i++)
                y[o] += model[name][o * x.Length + i] * x[i];
        }

        return y;
    }

    private double[] Norm(string name, double[] x)
    {
        var mean = _config.Norm == NormKind.LayerNorm ? x.Average() : 0;
        var variance = x.Average(v => (v - mean) * (v - mean));
        var y = new double[x.Length];
        for (var i = 0; i < x.Length; i++)
            y[i] = (x[i] - mean) / Math.Sqrt(variance + _config.NormEpsilon) * model[name][i]
                + (model.Has(name + ".bias") ? model[name + ".bias"][i] : 0);
        return y;
    }

    private double[][] Attention(int layer, double[][] x)
    {
        int heads = _config.NumHeads, keyHeads = _config.NumKeyValueHeads, width = _config.HeadDim;
        var qkv = x.Select(row => Linear($"{layer}.qkv", row, (heads + 2 * keyHeads) * width)).ToArray();
        var output = new double[x.Length][];
        var turn = new ReferenceRope(_config, x.Length);
        double[] Turned(double[] row, int head, int position)
        {
            var v = row[(head * width)..((head + 1) * width)];
            if (_config.QkNorm)
                v = RmsNorm($"{layer}.{(head < heads ? "query" : "key")}_norm", v);
            return _config.Positions == PositionKind.Rotary ? turn.Apply(v, position) : v;
        }

        var keys = qkv.Select((row, t) => Enumerable.Range(heads, keyHeads).Select(head => Turned(row, head, t)).ToArray()).ToArray();
        for (var t = 0; t < x.Length; t++)
        {
            var mixed = new double[heads * width];
            for (var h = 0; h < heads; h++)
            {
                var shared = h / (heads / keyHeads);
                var q = Turned(qkv[t], h, t);
                var weights = new double[t + 1];
                for (var s = 0; s <= t; s++)
                    weights[s] = Sees(layer, t, s) ? q.Zip(keys[s][shared], (a, b) => a * b).Sum() / Math.Sqrt(width) : double.NegativeInfinity;
                weights = [.. LogSoftmax(weights).Select(Math.Exp)];
                for (var s = 0; s <= t; s++)
                    for (var e = 0; e < width; e++)
                        mixed[h * width + e] += weights[s] * qkv[s][(heads + keyHeads + shared) * width + e];
            }

            output[t] = Linear($"{layer}.out", mixed, _config.HiddenSize);
        }

        return output;
    }

    /// <summary>A query sees as many keys, up to its own, as the window is wide.</summary>
    private bool Sees(int layer, int query, int key) =>
        _config.Window is not { } window || (window.Layers is not null && !window.Layers[layer]) || query - key < window.Size;

    private double[] RmsNorm(string name, double[] x)
    {
        var root = Math.Sqrt(x.Average(v => v * v) + _config.NormEpsilon);
        return [.. x.Select((v, i) => v / root * model[name][i])];
    }

    private double[] Mlp(int layer, double[] x)
    {
        var inner = _config.IntermediateSize;
        var up = Linear($"{layer}.up", x, _config.Mlp == MlpKind.SwiGlu ? 2 * inner : inner);
        var active = new double[inner];
        for (var i = 0; i < inner; i++)
            active[i] = _config.Mlp switch
            {
                MlpKind.SwiGlu => up[i] / (1 + Math.Exp(-up[i])) * up[inner + i],
                MlpKind.GeluTanh => 0.5 * up[i] * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (up[i] + 0.044715 * Math.Pow(up[i], 3)))),
                _ => up[i] * NormalCdf(up[i]),
            };
        return Linear($"{layer}.down", active, _config.HiddenSize);
    }

    // Φ(x) = ½ + φ(x)·(x + x³/3 + x⁵/(3·5) + …)
    private static double NormalCdf(double x)
    {
        if (Math.Abs(x) > 9)
            return x > 0 ? 1 : 0;
        double term = x, sum = x;
        for (var k = 3; Math.Abs(term) > 1e-18 && k < 400; k += 2)
            sum += term *= x * x / k;
        return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
    }
}
