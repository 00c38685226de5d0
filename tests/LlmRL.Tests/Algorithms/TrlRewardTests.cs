using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Losses;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Training;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>The reward model's loss and metrics against TRL's own (fixtures; their README says how they were made).</summary>
[Collection(TensorCollection.Name)]
public class TrlRewardTests
{
    public TrlRewardTests() => Native.Startup.Prepare();

    [SharedFact("fixtures/reward_bt.json")]
    public void LossGradientAndMetrics()
    {
        var file = Fixture.Read("reward_bt.json");
        var (all, margins) = (Fixture.Numbers(file.GetProperty("inputs").GetProperty("rewards")), Fixture.Numbers(file.GetProperty("inputs").GetProperty("margin")));
        foreach (var setting in file.GetProperty("cases").EnumerateArray())
        {
            using var scope = NewDisposeScope();
            var coefficient = setting.GetProperty("center_rewards_coefficient");
            Tensor Loss(Tensor rewards) => PreferenceLosses.BradleyTerry(rewards.narrow(0, 0, margins.Length), rewards.narrow(0, margins.Length, margins.Length),
                setting.GetProperty("margin").GetBoolean() ? tensor(Fixture.Floats(margins)).to_type(rewards.dtype) : null,
                coefficient.ValueKind == JsonValueKind.Null ? 0 : coefficient.GetDouble()).mean();
            using var rewards = tensor(Fixture.Floats(all)).requires_grad_();
            var loss = Loss(rewards);
            loss.backward();
            Trl.AssertNear(setting.GetProperty("loss").GetDouble(), loss.item<float>());
            Trl.AssertNear(setting.GetProperty("loss_f64").GetDouble(), Loss(tensor(Fixture.Floats(all)).to_type(ScalarType.Float64)).item<double>(), Trl.Double);
            Trl.AssertGradient(setting.GetProperty("grad_rewards"), rewards.grad!);

            var metrics = new BatchMetrics();
            RewardModel.AddMetrics(rewards.narrow(0, 0, margins.Length), rewards.narrow(0, margins.Length, margins.Length), metrics);
            // TRL's extremes of a batch are not logged here.
            foreach (var metric in setting.GetProperty("metrics").EnumerateObject().Where(metric => metric.Name is not ("min_reward" or "max_reward")))
                Trl.AssertNear(Fixture.Number(metric.Value), metrics[metric.Name], what: metric.Name);
        }
    }
}
