using LlmRL.Control;
using LlmRL.Tests.Runs;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Control;

[Collection(TensorCollection.Name)]
public class MlpTests
{
    static MlpTests() => _ = Tiny.Llama;

    [Fact]
    public void Forward_is_tanh_of_linear_maps()
    {
        using var scope = NewDisposeScope();
        using var network = new Mlp(3, [5, 4], 2);
        network.Initialize(1, 0.7);
        using (no_grad())
            network.Parameters["2.bias"].add_(0.3);
        float[] input = [0.5f, -1.25f, 2f];
        var expected = input.Select(x => (double)x).ToArray();
        foreach (var layer in new[] { 0, 2, 4 })
        {
            var (weight, bias) = (network.Parameters[$"{layer}.weight"], network.Parameters[$"{layer}.bias"]);
            expected = [.. Enumerable.Range(0, (int)weight.size(0)).Select(row =>
            {
                var sum = bias[row].item<float>() + expected.Select((x, column) => x * weight[row, column].item<float>()).Sum();
                return layer == 4 ? sum : Math.Tanh(sum);
            })];
        }

        var actual = network.Forward(tensor(input, [1, 3])).detach().data<float>().ToArray();
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
    }

    [Theory]
    [InlineData(4, 9)]
    [InlineData(9, 4)]
    public void Fresh_weights_are_orthogonal(int inputs, int width)
    {
        using var scope = NewDisposeScope();
        using var network = new Mlp(inputs, [width], 3);
        network.Initialize(7, 0.01);
        AssertGram(network.Parameters["0.weight"], 2);
        AssertGram(network.Parameters["2.weight"], 1e-4);
        Assert.Equal(0, network.Parameters["0.bias"].abs().sum().item<float>());

        static void AssertGram(TorchSharp.torch.Tensor weight, double squaredLength)
        {
            var wide = weight.size(0) <= weight.size(1);
            var gram = (wide ? weight.matmul(weight.t()) : weight.t().matmul(weight)).detach();
            var expected = eye(gram.size(0)) * squaredLength;
            Assert.InRange((gram - expected).abs().max().item<float>(), 0, 1e-5 * squaredLength);
        }
    }

    [Fact]
    public void Saved_weights_come_back_and_those_of_another_network_are_refused()
    {
        using var folder = new TemporaryFolder();
        using var network = new Mlp(3, [5], 2);
        using var same = new Mlp(3, [5], 2);
        using var other = new Mlp(3, [6], 2);
        network.Initialize(1, 1);
        network.Save(folder.Path, new { model_type = "mlp" });
        same.Load(folder.Path);

        Assert.Equal(network.Parameters.Values.data<float>().ToArray(), same.Parameters.Values.data<float>().ToArray());
        Assert.Contains("0.weight", Assert.Throws<BadInputException>(() => other.Load(folder.Path)).Message);
    }
}
